import { LongshoreError } from "@longshore/contract";
import { dataDirectory, engineAccess, readPresence } from "@longshore/server";
import { z } from "zod";
import { workersAndAddresses } from "../addresses.js";
import { callApi } from "../api.js";
import { type Command, text } from "../command.js";

const applications = z.array(z.object({ id: z.string(), name: z.string(), version: z.number(), instances: z.number(), image: z.string() }));

export const statusCommand: Command = {
  name: "status",
  summary: "show what runs",
  help: `Usage: longshore status [--data <dir>] [--json]

Shows addresses, Workers and container applications of the installation on this machine, what containers sent to the Internet, and which ran out of
memory. Exit code 1 when none runs. --json has every instance, with how it ended.

Example:
  longshore status --json`,
  options: { data: { type: "string" }, json: { type: "boolean" } },
  async run(values, _words, output) {
    const data = dataDirectory(text(values, "data"));
    const presence = readPresence(data);
    const engine = engineAccess(data);
    const { dockerSocket } = engine;
    const [{ workers, addresses }, containers, egress, instances] = await Promise.all([
      workersAndAddresses(presence),
      callApi(presence, "GET", "/containers/dash/applications", applications),
      whileAway(engine.usage.egressUsage(), output),
      whileAway(engine.instances(), output),
    ]);
    const { token: _secret, ...facts } = presence;
    if (values.json === true) {
      output.print(JSON.stringify({ ...facts, dockerSocket, workers, containers, egress, instances }, undefined, 2));
      return 0;
    }
    output.print(`Longshore runs since ${presence.startedAt} (process ${presence.pid}).
  Applications   ${presence.edgeUrl}${presence.edgeTlsUrl === undefined ? "" : `\n                 ${presence.edgeTlsUrl}`}
  API            ${presence.apiUrl}
  Registry       ${presence.registryHost}
  Account        ${presence.accountId}
  Docker socket  ${dockerSocket}  (root's: DOCKER_HOST=unix://${dockerSocket} docker ps)`);
    for (const { worker, url } of addresses) output.print(`Worker ${worker}: ${url}`);
    for (const { name, version, instances: running, image } of containers)
      output.print(`Containers ${name}: version ${version}, ${running} running, ${image}`);
    for (const { tenant, since, internet } of egress)
      output.print(`Outbound ${tenant}: ${bytes(internet.sentBytes)} sent, ${bytes(internet.receivedBytes)} received since ${since}`);
    for (const { id, applicationId, exit } of instances) {
      if (exit?.memory === undefined) continue;
      const { limitBytes, peakBytes } = exit.memory;
      const memory = `limit ${bytes(limitBytes)}, peak ${bytes(peakBytes)}, ${exit.at}`;
      output.print(`Out of memory: ${nameOf(containers, applicationId)}, instance ${id} (${memory})`);
    }
    return 0;
  },
};

/** An engine that is being restarted has nothing to tell; the rest is still worth showing. */
async function whileAway<T>(answer: Promise<readonly T[]>, output: { note(text: string): void }): Promise<readonly T[]> {
  return await answer.catch((error: unknown) => {
    if (!(error instanceof LongshoreError) || error.code !== "UNAVAILABLE") throw error;
    output.note(error.text);
    return [];
  });
}

function nameOf(all: readonly { id: string; name: string }[], id: string): string {
  return all.find((each) => each.id === id)?.name ?? id;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

function bytes(count: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  const value = count / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${UNITS[power]}`;
}
