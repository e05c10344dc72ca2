import { createReadStream } from "node:fs";
import { now, pollFirstByte } from "./first-byte.mjs";
import { memoryOf, processTable } from "./memory.mjs";

/**
 * What a benchmark can have its docker do, by the Docker API alone. Everything runs in docker's own namespaces (docker-agent.mjs).
 *
 * @param {import("./docker-api.mjs").DockerApi} api
 * @param {string} cgroupParent
 */
export function dockerOperations(api, cgroupParent) {
  const create = async (image, { memoryBytes, nanoCpus, pids }) => {
    const { Id } = await api.call("POST", "/containers/create", {
      Image: image,
      HostConfig: { Memory: memoryBytes, MemorySwap: memoryBytes, NanoCpus: nanoCpus, PidsLimit: pids, CgroupParent: cgroupParent },
    });
    return Id;
  };
  const addressOf = async (id) => (await api.call("GET", `/containers/${id}/json`)).NetworkSettings.IPAddress;
  const remove = async (id) => await api.call("DELETE", `/containers/${id}?force=true&v=true`);
  /** `docker run` by API: create, start, then a request each millisecond until the first byte. */
  const run = async ({ image, port, path, limits }) => {
    const from = now();
    const id = await create(image, limits);
    const created = now();
    await api.call("POST", `/containers/${id}/start`);
    const started = now();
    const host = await addressOf(id);
    const { at, status } = await pollFirstByte({ host, port, path });
    return { id, host, ms: at - from, createMs: created - from, startMs: started - created, readyMs: at - started, status };
  };

  return {
    async load({ archive }) {
      await api.call("POST", "/images/load?quiet=1", createReadStream(archive));
    },

    /** One container from nothing to its first byte. Then it is removed. */
    async coldStart(input) {
      const sample = await run(input);
      await remove(sample.id);
      return sample;
    },

    /** As many as `count` at once, until all have answered; then they are removed. */
    async burst({ count, ...input }) {
      const from = now();
      const outcomes = await Promise.allSettled(Array.from({ length: count }, () => run(input)));
      const ms = now() - from;
      const started = outcomes.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
      await Promise.all(started.map(({ id }) => remove(id)));
      const good = started.filter(({ status }) => status === 200);
      return { ms, each: good.map((sample) => sample.ms), failed: count - good.length };
    },

    /** Containers that stay; resolves with their ids and addresses. */
    async runMany({ count, ...input }) {
      const running = [];
      for (let number = 0; number < count; number++) running.push(await run(input));
      return running.map(({ id, host }) => ({ id, host }));
    },

    async removeMany({ ids }) {
      for (const id of ids) await remove(id);
    },

    /** Warm request, then pause, then from the wish to go on to the first byte. */
    async wake({ id, host, port, path, pauseMs }) {
      const warmFrom = now();
      const warm = await pollFirstByte({ host, port, path });
      await api.call("POST", `/containers/${id}/pause`);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const from = now();
      await api.call("POST", `/containers/${id}/unpause`);
      const woken = await pollFirstByte({ host, port, path });
      return { warmMs: warm.at - warmFrom, ms: woken.at - from, status: woken.status };
    },

    /** Bytes of memory of dockerd and its helpers, by program, without the containers' own processes. */
    async memory({ applications }) {
      const kinds = {};
      for (const { pid, name } of await processTable()) {
        // The benchmark's own part of the namespace: the agent, and the shell that is its first process.
        if (pid === 1 || pid === process.pid || applications.includes(name)) continue;
        kinds[name] = (kinds[name] ?? 0) + (await memoryOf(pid));
      }
      return kinds;
    },
  };
}
