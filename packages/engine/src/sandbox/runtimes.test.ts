import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { docker, fetchThrough } from "../testing/docker-client.js";
import { AttachedExec } from "../testing/exec-client.js";
import { runningEngine } from "../testing/running-engine.js";
import { runtimeCommand } from "./runtimes.js";

for (const [runtime, path] of Object.entries({ crun: "/usr/bin/crun", runc: "/usr/sbin/runc" })) {
  for (const userNamespaces of [true, false]) {
    test(`${runtime}: start, exec, terminal, stop, a new engine; user namespaces ${userNamespaces}`, async () => {
      await using engine = await runningEngine({}, { settings: { userNamespaces, runtimes: { web: path, other: "/usr/bin/crun" } } });
      const name = await engine.start(1, ["httpd", "-f", "-p", "8080", "-h", "/www"], ["ASKED=late"]);
      assert.match((await fetchThrough(await engine.door(1), 8080)).body, /hello from a container/);
      await engine.restart();
      const { id, process } = await record();
      assert.match(readFileSync(join(engine.directory, "run/runtime", id, runtime === "runc" ? "state.json" : "status"), "utf8"), /\{/);
      const exec = await AttachedExec.start(engine.socket, name, { Cmd: ["sh", "-c", 'echo "$ASKED" >/dev/stdout; exit 7'] });
      const { stdout, exitCode } = await exec.finish(engine.socket);
      assert.deepEqual([stdout.toString(), exitCode], ["late\n", 7]);
      assert.match(readFileSync(`/proc/${process.pid}/status`, "utf8"), /^Seccomp:\t2$/m);
      const withTerminal = AttachedExec.start(engine.socket, name, { Cmd: ["sh", "-c", "test -t 0 && echo a terminal"], Tty: true });
      if (runtime === "runc") await assert.rejects(withTerminal, /UNSUPPORTED/);
      else await (await withTerminal).until("a terminal");
      await docker(engine.socket, "POST", `/containers/${name}/kill?signal=SIGTERM`);
      assert.equal((await docker(engine.socket, "POST", `/containers/${name}/wait`)).status, 200);

      async function record() {
        const [container] = engine.open.engine.tenants.get("web")?.containers.values() ?? [];
        if (container === undefined) throw new Error("there is no container");
        return container.record;
      }
    });
  }
}

test("a runtime that cannot work is refused with the reason", async () => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-r-"));
  try {
    for (const name of ["runsc", "kata-runtime"]) {
      const program = join(directory, name);
      writeFileSync(program, `#!/bin/sh\necho "${name} version 1"\n`);
      chmodSync(program, 0o755);
      await assert.rejects(runtimeCommand(program, directory), (error) => error instanceof LongshoreError && error.code === "UNSUPPORTED");
    }
    await assert.rejects(runtimeCommand(join(directory, "none"), directory), { code: "UNAVAILABLE" });
    assert.deepEqual((await runtimeCommand("/usr/sbin/runc", directory)).options, [`--root=${directory}`]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
