import { join } from "node:path";

/** Where the files of one script are. Pure. */
export interface ScriptPlaces {
  /** Everything that a reboot may take: processes' records, sockets, configurations with their secrets. */
  readonly runDirectory: string;
  readonly socket: string;
  readonly record: string;
  readonly lifeline: string;
  readonly releases: string;
  /** What must never be lost. */
  readonly dataDirectory: string;
  /** workerd's Durable Object storage: `<namespace id>/<object id>.sqlite`. */
  readonly storage: string;
  /** Copies of versions' static files, which can be made again. */
  readonly assets: string;
  readonly log: string;
}

export function scriptPlaces(dataDirectory: string, runDirectory: string, script: string): ScriptPlaces {
  const run = join(runDirectory, script);
  const data = join(dataDirectory, script);
  return {
    runDirectory: run,
    socket: join(run, "http.sock"),
    record: join(run, "process.json"),
    lifeline: join(run, "lifeline"),
    releases: join(run, "releases"),
    dataDirectory: data,
    storage: join(data, "objects"),
    assets: join(data, "assets"),
    log: join(data, "workerd.log"),
  };
}
