import { LongshoreError } from "@longshore/contract";
import { packPath } from "../../copy/pack.js";
import { type PathStat, statPath } from "../../copy/path-stat.js";
import { putArchive } from "../../copy/put.js";
import type { Instance } from "../../instance/instance.js";
import { identityOfProcess } from "../../sys/process.js";
import { rootIdOf } from "../../sys/user-namespace.js";
import { plainArchive } from "../plain-archive.js";
import type { Answer, Exchange, Route } from "../router.js";

const STAT_HEADER = "x-docker-container-path-stat";
const DEADLINE_MS = 30 * 60_000;

/** `docker cp`. A container's files are there for as long as it runs, or waits for its start. */
export function copyRoutes(find: (name: string) => Instance): Route[] {
  const path = /^\/containers\/([A-Za-z0-9][A-Za-z0-9_.-]*)\/archive$/;
  return [
    {
      method: "HEAD",
      path,
      handle: ({ parameters: [name = ""], query, response }) => {
        response.writeHead(200, { [STAT_HEADER]: encoded(statPath(`/proc/${processOf(find(name))}/root`, wanted(query))) }).end();
        return { status: 200 };
      },
    },
    { method: "GET", path, handle: async (exchange) => await send(processOf(find(exchange.parameters[0] ?? "")), exchange) },
    {
      method: "PUT",
      path,
      handle: async ({ parameters: [name = ""], query, request, response }) => {
        const pid = processOf(find(name));
        const idBase = rootIdOf(pid);
        const owner = flag(query, "copyUIDGID") ? identityOfProcess(pid) : undefined;
        const job = {
          path: wanted(query),
          idBase,
          keepKinds: flag(query, "noOverwriteDirNonDir"),
          ...(owner === undefined ? {} : { owner: { uid: owner.uid - idBase, gid: owner.gid - idBase } }),
        };
        await putArchive(pid, await plainArchive(request), job, goneOrLate(response));
        return { status: 200 };
      },
    },
  ];
}

async function send(pid: number, { query, response }: Exchange): Promise<Answer> {
  const path = wanted(query);
  const stat = statPath(`/proc/${pid}/root`, path);
  const archive = packPath(pid, path, goneOrLate(response));
  response.writeHead(200, { "content-type": "application/x-tar", [STAT_HEADER]: encoded(stat) });
  archive.stream.pipe(response, { end: false });
  // Only an archive that tar calls complete ends as one; the router breaks the connection for any other.
  await archive.ended;
  await new Promise<void>((resolve) => response.end(resolve));
  return { status: 200 };
}

function processOf({ record, live }: Instance): number {
  if (live) return record.process.pid;
  throw new LongshoreError("CONFLICT", `The container ${record.id} has ended, and its files with it.`, {
    hint: "Copy from a running container, or print what is needed to its log.",
  });
}

function wanted(query: URLSearchParams): string {
  const path = query.get("path") ?? "";
  if (path === "") throw new LongshoreError("INVALID_INPUT", "Say which path of the container is meant.");
  return path;
}

function flag(query: URLSearchParams, name: string): boolean {
  return ["1", "true"].includes(query.get(name) ?? "");
}

function encoded(stat: PathStat): string {
  return Buffer.from(JSON.stringify(stat)).toString("base64");
}

function goneOrLate(response: Exchange["response"]): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  return AbortSignal.any([gone.signal, AbortSignal.timeout(DEADLINE_MS)]);
}
