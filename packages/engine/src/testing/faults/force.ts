import { readdirSync, readFileSync, rmSync } from "node:fs";
import { isErrno } from "@longshore/contract";
import { openCgroups } from "../../cgroup/open.js";
import { cgroupParent } from "../census.js";
import { eventually } from "./eventually.js";

/** Ends and removes all that engines have made below `directory`, whatever state it is in. */
export async function endByForce(directory: string): Promise<void> {
  const cgroups = openCgroups(cgroupParent(directory));
  await eventually(async () => {
    for (const pid of processesNaming(`${directory}/`)) killIfThere(pid);
    for (const id of await cgroups.ids()) {
      if ((await cgroups.processes(id)).length > 0) await cgroups.kill(id);
      await cgroups.remove(id);
    }
    await cgroups.removeParent();
    rmSync(directory, { recursive: true, force: true });
  });
}

function processesNaming(text: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && commandLine(pid).includes(text));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return "";
    throw error;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!isErrno(error, "ESRCH")) throw error;
  }
}
