import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { docker } from "../docker-client.js";
import { AttachedExec } from "../exec-client.js";
import { containerName } from "../running-engine.js";
import { assertServes, exitCode, removeSubject, SUBJECT, serveAgain, startSubject, stateOf } from "./containers.js";
import { eventually } from "./eventually.js";
import type { KillStage } from "./kill-stage.js";
import type { Operation } from "./operation.js";
import { pull } from "./pull-operation.js";
import { restore, saveContainer, saveDirectory } from "./snapshot-operations.js";

const OWN_CODE = 7;
/** Says nothing, serves nothing, and ends with its own code when it is told to. */
const ENDS_WHEN_TOLD = ["sh", "-c", `busybox mkfifo /tmp/end; read -r _ </tmp/end; exit ${OWN_CODE}`];
const TERMINATED = 128 + constants.signals.SIGTERM;

const nothing = async () => undefined;
const stopPath = `/containers/${containerName(SUBJECT)}/kill?signal=SIGTERM`;

let fifo = "";

async function startEnding(stage: KillStage): Promise<void> {
  await stage.start(SUBJECT, ENDS_WHEN_TOLD);
  fifo = `/proc/${(await stateOf(stage, SUBJECT))?.Pid}/root/tmp/end`;
  await eventually(() => assert.ok(existsSync(fifo)));
}

/** Ends the container that {@link startEnding} has started, past the engine. */
async function tellToEnd(): Promise<void> {
  await writeFile(fifo, "\n");
}

const start: Operation = {
  name: "start",
  prepare: nothing,
  run: startSubject,
  async again(stage) {
    await serveAgain(stage, SUBJECT, () => assertServes(stage, SUBJECT));
  },
  clean: removeSubject,
};

const stop: Operation = {
  name: "stop",
  prepare: async (stage) => void (await stage.start(SUBJECT, ["sleep", "1000"])),
  async run(stage) {
    const exited = exitCode(stage, SUBJECT);
    const asked = docker(stage.socket, "POST", stopPath);
    const [code, { status }] = await Promise.all([exited, asked]);
    assert.deepEqual([code, status], [TERMINATED, 204]);
  },
  async again(stage) {
    if ((await stateOf(stage, SUBJECT))?.Running === true) await docker(stage.socket, "POST", stopPath);
    assert.equal(await exitCode(stage, SUBJECT), TERMINATED);
  },
  clean: removeSubject,
};

/** The container ends by itself, so that the first to know is the kernel. */
const exit: Operation = {
  name: "exit",
  prepare: startEnding,
  async run(stage) {
    await tellToEnd();
    assert.equal(await exitCode(stage, SUBJECT), OWN_CODE);
  },
  async again(stage) {
    assert.equal(await exitCode(stage, SUBJECT), OWN_CODE);
  },
  clean: removeSubject,
};

const removal: Operation = {
  name: "remove",
  prepare: startSubject,
  run: removeSubject,
  again: removeSubject,
  clean: nothing,
};

async function runCommand(stage: KillStage): Promise<void> {
  const exec = await AttachedExec.start(stage.socket, containerName(SUBJECT), { Cmd: ["sh", "-c", "echo said; exit 5"] });
  const { stdout, exitCode: code } = await exec.finish(stage.socket);
  assert.deepEqual([stdout.toString(), code], ["said\n", 5]);
}

const exec: Operation = { name: "exec", prepare: startSubject, run: runCommand, again: runCommand, clean: removeSubject };

/** Puts the container to sleep, and lets a request wake it. */
const freeze: Operation = {
  name: "freeze",
  prepare: startSubject,
  async run(stage) {
    const { body } = await docker(stage.socket, "GET", `/containers/${containerName(SUBJECT)}/json`);
    await stage.client.freezeInstance(String(body.Id), true);
    assert.equal((await stateOf(stage, SUBJECT))?.Paused, true);
    await assertServes(stage, SUBJECT);
  },
  again: (stage) => assertServes(stage, SUBJECT),
  clean: removeSubject,
};

const tenant: Operation = {
  name: "tenant",
  prepare: nothing,
  async run(stage) {
    const { client } = stage;
    await client.putTenant({ id: "other", classes: [stage.containerClass({ namespaceId: "b".repeat(32) })] });
    await client.deleteTenant("other");
  },
  again(stage) {
    return this.run(stage);
  },
  clean: nothing,
};

/** An engine starts after another was killed; a container has ended meanwhile, and an OCI runtime was killed, too. */
const recovery: Operation = {
  name: "recovery",
  atStart: true,
  prepare: startEnding,
  async run({ directory }) {
    await tellToEnd();
    const half = join(directory, "run/runtime", randomUUID());
    await mkdir(half);
    await writeFile(join(half, "exec.fifo"), "");
  },
  async again(stage) {
    assert.equal(await exitCode(stage, SUBJECT), OWN_CODE);
  },
  clean: removeSubject,
};

export const OPERATIONS: readonly Operation[] = [
  start,
  stop,
  exit,
  removal,
  exec,
  freeze,
  pull,
  saveDirectory,
  saveContainer,
  restore,
  tenant,
  recovery,
];
