import assert from "node:assert/strict";
import { docker } from "../docker-client.js";
import { containerName } from "../running-engine.js";
import { assertServes, removeSubject, SUBJECT, serveAgain, startSubject, transfer } from "./containers.js";
import type { KillStage } from "./kill-stage.js";
import type { Operation } from "./operation.js";

const DIRECTORY = "/www";
const VOLUME = "longshore-saved";
const COMMITTED = "longshore-committed";
/** Where a saved directory is shown by the container that restores it; its web server has it below `/www`. */
const RESTORED = "/www/restored";

/** The calls that workerd makes to save a directory. */
async function save(stage: KillStage, volume: string): Promise<void> {
  const { socket } = stage;
  const archive = await transfer(stage, "GET", `/containers/${containerName(SUBJECT)}/archive?path=${DIRECTORY}/.`);
  assert.equal((await docker(socket, "POST", "/volumes/create", { Name: volume })).status, 201);
  const helper = await docker(socket, "POST", "/containers/create", { HostConfig: { Binds: [`${volume}:/to`] } });
  assert.equal(helper.status, 201, JSON.stringify(helper.body));
  await transfer(stage, "PUT", `/containers/${helper.body.Id}/archive?path=/to`, archive);
  await docker(socket, "DELETE", `/containers/${helper.body.Id}`);
}

async function commit(stage: KillStage, name: string): Promise<void> {
  const { status, body } = await docker(stage.socket, "POST", `/commit?container=${containerName(SUBJECT)}&repo=${name}`);
  assert.equal(status, 201, JSON.stringify(body));
}

/** A snapshot that was complete when the engine was killed stays, and expires; whoever asked for it asks again. */
async function forget(stage: KillStage, kind: "volumes" | "images", name: string): Promise<void> {
  const { status, body } = await docker(stage.socket, "DELETE", `/${kind}/${name}`);
  assert.ok(status < 300 || status === 404, `${status} ${JSON.stringify(body)}`);
}

export const saveDirectory: Operation = {
  name: "save-directory",
  prepare: startSubject,
  run: (stage) => save(stage, VOLUME),
  async again(stage) {
    await assertServes(stage, SUBJECT);
    await forget(stage, "volumes", VOLUME);
    await save(stage, VOLUME);
  },
  async clean(stage) {
    await removeSubject(stage);
    await forget(stage, "volumes", VOLUME);
  },
};

export const saveContainer: Operation = {
  name: "save-container",
  prepare: startSubject,
  run: (stage) => commit(stage, COMMITTED),
  async again(stage) {
    await assertServes(stage, SUBJECT);
    await forget(stage, "images", COMMITTED);
    await commit(stage, COMMITTED);
  },
  async clean(stage) {
    await removeSubject(stage);
    await forget(stage, "images", COMMITTED);
  },
};

const RESTORE_BOTH = { Image: COMMITTED, HostConfig: { Mounts: [{ Type: "volume", Source: VOLUME, Target: RESTORED }] } };

async function assertRestored(stage: KillStage): Promise<void> {
  await assertServes(stage, SUBJECT, "/index.html");
  await assertServes(stage, SUBJECT, "/restored/index.html");
}

/** A container starts from a container snapshot, with a directory restored into it: its sandbox is made while it is asked for. */
export const restore: Operation = {
  name: "restore",
  async prepare(stage) {
    await startSubject(stage);
    await save(stage, VOLUME);
    await commit(stage, COMMITTED);
    await removeSubject(stage);
  },
  async run(stage) {
    await serveAgain(stage, SUBJECT, () => assertRestored(stage), RESTORE_BOTH);
  },
  async again(stage) {
    await serveAgain(stage, SUBJECT, () => assertRestored(stage), RESTORE_BOTH);
  },
  async clean(stage) {
    await removeSubject(stage);
    await forget(stage, "volumes", VOLUME);
    await forget(stage, "images", COMMITTED);
  },
};
