import { readFileSync, statSync } from "node:fs";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../../engine.js";
import type { Instance } from "../../instance/instance.js";
import type { Route } from "../router.js";

const TITLES = ["UID", "PID", "PPID", "TIME", "CMD"];
const TICKS_PER_SECOND = 100;

/** `docker top`: the processes of a container, with their ids on the host. What columns are asked for makes no difference. */
export function topRoute(engine: ContainerEngine, find: (name: string) => Instance): Route {
  return {
    method: "GET",
    path: /^\/containers\/([A-Za-z0-9][A-Za-z0-9_.-]*)\/top$/,
    handle: async ({ parameters: [name = ""] }) => {
      const { record, live } = find(name);
      if (!live) throw new LongshoreError("CONFLICT", `The container ${name} is not running.`);
      const pids = await engine.parts.host.cgroups.processes(record.id);
      const Processes = pids
        .sort((a, b) => a - b)
        .map(describe)
        .filter((row) => row !== undefined);
      return { status: 200, body: { Titles: TITLES, Processes } };
    },
  };
}

/** One row; `undefined` when the process has ended. */
function describe(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    const seconds = Math.floor((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND);
    return [String(statSync(`/proc/${pid}`).uid), String(pid), fields[1] ?? "", clock(seconds), command === "" ? `[${name}]` : command];
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

function clock(seconds: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
