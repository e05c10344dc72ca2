import assert from "node:assert/strict";
import { test } from "node:test";
import { docker } from "../testing/docker-client.js";
import { AttachedExec } from "../testing/exec-client.js";
import { containerName, runningEngine } from "../testing/running-engine.js";

/**
 * workerd asks for the host's process ids unless the Worker has the flag `containers_pid_namespace`, and its configuration could ask for the rest. Every
 * container has process ids of its own, whatever is asked, and the rights that the engine gives.
 */
test("a create that asks for the host's namespaces, devices or rights gets a container like any other", async () => {
  await using engine = await runningEngine();
  const HostConfig = {
    PidMode: "host",
    IpcMode: "host",
    NetworkMode: "host",
    UsernsMode: "host",
    Privileged: true,
    CapAdd: ["SYS_ADMIN", "SYS_PTRACE"],
    SecurityOpt: ["seccomp=unconfined", "apparmor:unconfined"],
    Devices: [{ PathOnHost: "/dev/loop-control", PathInContainer: "/dev/loop-control", CgroupPermissions: "rwm" }],
  };
  assert.equal((await engine.create(1, { Cmd: ["sleep", "1000"], HostConfig })).status, 201);
  const name = containerName(1);
  await docker(engine.socket, "POST", `/containers/${name}/start`);
  const look = `b=/.longshore/busybox; $b ps -o pid | $b wc -l; $b grep -E 'CapEff|Seccomp:' /proc/self/status; $b ls /dev/loop-control 2>&1; $b cat /proc/net/dev | $b wc -l; [ -e /proc/${process.pid} ] && echo "the host's"`;
  const exec = await AttachedExec.start(engine.socket, name, { Cmd: ["sh", "-c", look], Privileged: true });
  const { stdout } = await exec.finish(engine.socket);
  const [processes, capabilities, seccomp, device, links, ...rest] = stdout.toString().trim().split("\n");
  assert.ok(Number(processes) < 10, stdout.toString());
  assert.deepEqual([capabilities, seccomp], ["CapEff:\t00000000a80425fb", "Seccomp:\t2"]);
  assert.match(device ?? "", /No such file/);
  assert.equal(Number(links), 4, "two lines of heading, lo and eth0");
  assert.deepEqual(rest, []);
});
