import { createRequire } from "node:module";
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
