import { LongshoreError } from "@longshore/contract";
import type { Settings } from "@longshore/server";
import { diagnose } from "./checks.js";

/** Errors: `UNAVAILABLE` when this machine lacks something that is required, saying what, and how to get it. */
export async function requireReady(settings: Settings): Promise<void> {
  const problems = (await diagnose(settings)).filter((check) => !check.ok && check.required);
  if (problems.length === 0) return;
  const lines = problems.map(({ name, found, fix }) => `  ${name}: ${found}. ${fix}`);
  throw new LongshoreError("UNAVAILABLE", `This machine is not ready:\n${lines.join("\n")}`);
}
