import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type InstanceSize, instanceSize, type MemoryShortage } from "@longshore/contract";
import { createSandbox, removeSandbox } from "../sandbox/sandbox.js";
import { exitOf } from "./exit-of.js";
import type { Fixture } from "./fixture.js";

/** Runs a shell script in a sandbox of this size; returns its exit code, the lines it wrote, and what became of its memory. */
export async function runScript(
  { host, image }: Pick<Fixture, "host" | "image">,
  script: string,
  size: InstanceSize = instanceSize("lite"),
): Promise<{ code: number; lines: string[]; memory: MemoryShortage | undefined }> {
  const id = randomUUID();
  const sandbox = await createSandbox(host, id, image, size);
  try {
    sandbox.launch({ argv: ["sh", "-c", script], environment: { PATH: "/bin" } });
    const code = await exitOf(host.exitsDirectory, id);
    const log = readFileSync(join(host.logsDirectory, id), "utf8").split("\n").filter(Boolean);
    const lines = log.map((line) => line.split(" ").slice(3).join(" "));
    return { code, lines, memory: host.cgroups.memoryShortage(id) };
  } finally {
    await removeSandbox(host, id, sandbox.process);
  }
}
