import assert from "node:assert/strict";
import { type ClientRequest, request as httpRequest } from "node:http";
import { buffer } from "node:stream/consumers";
import { docker, fetchThrough } from "../docker-client.js";
import { containerName } from "../running-engine.js";
import type { KillStage } from "./kill-stage.js";

/** The number of the container that is started, stopped, saved. */
export const SUBJECT = 2;
const PORT = 8080;

/** A container that runs the image's own command answers with its page. */
export async function assertServes(stage: KillStage, n: number, path = "/index.html"): Promise<void> {
  assert.deepEqual(await fetchThrough(await stage.door(n), PORT, path), { status: 200, body: "hello from a container\n" });
}

/**
 * As a Durable Object comes by a container whose state it does not know: one that serves is fine; otherwise it is started, and what is in the way removed.
 * One that seems to run may be about to end, because nobody has told it what to run.
 */
export async function serveAgain(
  stage: KillStage,
  n: number,
  serves: () => Promise<void>,
  body: Record<string, unknown> = {},
): Promise<void> {
  await startUnlessRunning(stage, n, body);
  await serves().catch(async () => {
    await startUnlessRunning(stage, n, body);
    await serves();
  });
}

async function startUnlessRunning(stage: KillStage, n: number, body: Record<string, unknown>): Promise<void> {
  const name = containerName(n);
  if ((await stateOf(stage, n))?.Running === true) return;
  let created = await stage.create(n, body);
  if (created.status === 409) {
    await removeContainer(stage, n);
    created = await stage.create(n, body);
  }
  assert.equal(created.status, 201, JSON.stringify(created.body));
  assert.equal((await docker(stage.socket, "POST", `/containers/${name}/start`)).status, 204);
}

/** Removes a container and its door, whether they are there or not. */
export async function removeContainer(stage: KillStage, n: number): Promise<void> {
  for (const name of [containerName(n), `${containerName(n)}-proxy`]) {
    const { status, body } = await docker(stage.socket, "DELETE", `/containers/${name}?force=true`);
    assert.ok(status === 204 || status === 404, `${status} ${JSON.stringify(body)}`);
  }
}

/** Waits for the container's end. */
export async function exitCode(stage: KillStage, n: number): Promise<unknown> {
  const { status, body } = await docker(stage.socket, "POST", `/containers/${containerName(n)}/wait`);
  assert.equal(status, 200, JSON.stringify(body));
  return body.StatusCode;
}

export interface ContainerState {
  readonly Running: boolean;
  readonly Paused: boolean;
  /** 0 when it does not run. */
  readonly Pid: number;
}

/** `undefined` when the engine has no such container. */
export async function stateOf(stage: KillStage, n: number): Promise<ContainerState | undefined> {
  const { status, body } = await docker(stage.socket, "GET", `/containers/${containerName(n)}/json`);
  return status === 200 ? (body.State as ContainerState) : undefined;
}

/** A call whose body is not JSON, on the tenant's socket; the answer's body. Fails unless it is answered with 2xx. */
export async function transfer(stage: KillStage, method: string, path: string, body?: Buffer): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const call: ClientRequest = httpRequest({ socketPath: stage.socket, method, path, agent: false }, (response) => {
      buffer(response).then((content) => {
        if (Math.floor((response.statusCode ?? 0) / 100) === 2) resolve(content);
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${content.toString()}`));
      }, reject);
    });
    call.on("error", reject);
    call.end(body);
  });
}

/** Starts the container that operations are about, with the image's command. */
export async function startSubject(stage: KillStage): Promise<void> {
  await stage.start(SUBJECT);
  await assertServes(stage, SUBJECT);
}

export async function removeSubject(stage: KillStage): Promise<void> {
  await removeContainer(stage, SUBJECT);
}
