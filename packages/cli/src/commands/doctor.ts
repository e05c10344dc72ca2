import { readSettings } from "@longshore/server";
import { type Command, text } from "../command.js";
import { diagnose } from "../doctor/checks.js";
import { edgeChecks } from "../doctor/edge.js";

export const doctorCommand: Command = {
  name: "doctor",
  summary: "check this machine, and say how to get what is missing",
  help: `Usage: longshore doctor [--data <dir>] [--config <file>] [--json]

Checks the kernel, packages and permissions that Longshore needs, and what a configuration file (see "longshore up --help") says of certificates.
Exit code 1 when something required is missing.

Example:
  longshore doctor`,
  options: { data: { type: "string" }, config: { type: "string" }, json: { type: "boolean" } },
  async run(values, _words, output) {
    const data = text(values, "data");
    const settings = readSettings(data === undefined ? {} : { data }, text(values, "config"));
    const checks = [...(await diagnose(settings)), ...edgeChecks(settings)];
    if (values.json === true) output.print(JSON.stringify(checks, undefined, 2));
    else
      for (const { name, ok, required, found, fix } of checks)
        output.print(`${ok ? "ok      " : required ? "MISSING " : "note    "} ${name}: ${found}${ok ? "" : `. ${fix}`}`);
    return checks.every((check) => check.ok || !check.required) ? 0 : 1;
  },
};
