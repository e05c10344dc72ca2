import { dataDirectory, readPresence } from "@longshore/server";
import { type Command, text } from "../command.js";
import { wranglerEnvironment } from "../wrangler/environment.js";

export const envCommand: Command = {
  name: "env",
  summary: "print the environment for using wrangler yourself",
  help: `Usage: longshore env [--data <dir>] [--json]

Prints the variables that make an unmodified wrangler talk to this installation.

Example:
  eval "$(longshore env)" && npx wrangler deploy`,
  options: { data: { type: "string" }, json: { type: "boolean" } },
  async run(values, _words, output) {
    const data = dataDirectory(text(values, "data"));
    const variables = wranglerEnvironment(data, readPresence(data));
    if (values.json === true) output.print(JSON.stringify(variables, undefined, 2));
    else for (const [name, value] of Object.entries(variables)) output.print(`export ${name}='${value.replaceAll("'", "'\\''")}'`);
    return 0;
  },
};
