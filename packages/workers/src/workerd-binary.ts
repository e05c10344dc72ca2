import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { LongshoreError } from "@longshore/contract";

const PACKAGES: Readonly<Record<string, string>> = {
  "linux x64": "@cloudflare/workerd-linux-64",
  "linux arm64": "@cloudflare/workerd-linux-arm64",
};

/** Path of the workerd program that npm installed for this machine. Errors: `UNSUPPORTED` on other machines, `INTERNAL` when it is not installed. */
export function findWorkerd(): string {
  const machine = `${process.platform} ${process.arch}`;
  const name = PACKAGES[machine];
  if (name === undefined)
    throw new LongshoreError("UNSUPPORTED", `There is no workerd for ${machine}.`, { hint: "Use Linux on x64 or arm64." });
  try {
    // The platform's package is a dependency of `workerd`, so it is looked up from there.
    return createRequire(createRequire(import.meta.url).resolve("workerd/package.json")).resolve(`${name}/bin/workerd`);
  } catch (cause) {
    throw new LongshoreError("INTERNAL", `The npm package ${name} is not installed.`, {
      cause,
      hint: "Run `npm ci` without --omit=optional.",
    });
  }
}

/** The date in `workerd 2026-11-17`. Errors: `INTERNAL` when it cannot be run. */
export async function workerdVersion(path: string): Promise<string> {
  const hint = "Run `npm ci` again, or set the path of the workerd program.";
  const { stdout } = await promisify(execFile)(path, ["--version"], { timeout: 10_000 }).catch((cause: unknown) => {
    throw new LongshoreError("INTERNAL", `The program ${path} cannot be run as workerd.`, { cause, hint });
  });
  const date = /\d{4}-\d\d-\d\d/.exec(stdout)?.[0];
  if (date === undefined)
    throw new LongshoreError("INTERNAL", `${path} --version says ${JSON.stringify(stdout)}, which is not workerd's version.`, { hint });
  return date;
}
