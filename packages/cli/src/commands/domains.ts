import { LongshoreError } from "@longshore/contract";
import { dataDirectory, readPresence } from "@longshore/server";
import { z } from "zod";
import { callApi } from "../api.js";
import { type Command, text } from "../command.js";

const domains = z.array(z.object({ id: z.string(), hostname: z.string(), service: z.string(), enabled: z.boolean() }));
const routes = z.array(z.object({ pattern: z.string(), script: z.string() }));

export const domainsCommand: Command = {
  name: "domains",
  summary: "show custom domains and routes: domains [remove <host>]",
  help: `Usage: longshore domains [--json] [--data <dir>]
       longshore domains remove <host> [--data <dir>]

Shows which Worker has which custom domain and which route; "remove" takes a custom domain from its Worker, so that another one can have it. They are
set by a Worker's configuration ("routes"), and end with the Worker.

Example:
  longshore domains remove shop.example.com`,
  words: 2,
  options: { data: { type: "string" }, json: { type: "boolean" } },
  async run(values, [action, host, ...others], output) {
    if ((action !== undefined && action !== "remove") || (action === "remove" && host === undefined) || others.length > 0) {
      throw new LongshoreError("INVALID_INPUT", `"longshore domains ${[action, host, ...others].join(" ").trim()}" is not a command.`, {
        hint: 'See "longshore domains --help".',
      });
    }
    const presence = readPresence(dataDirectory(text(values, "data")));
    const all = await callApi(presence, "GET", "/workers/domains", domains);
    if (host !== undefined) {
      const found = all.find(({ hostname }) => hostname === host.toLowerCase());
      if (found === undefined) throw new LongshoreError("NOT_FOUND", `No Worker has the custom domain ${host}.`);
      await callApi(presence, "DELETE", `/workers/domains/${found.id}`, z.null());
      output.print(`${found.hostname} was taken from the Worker "${found.service}".`);
      return 0;
    }
    const patterns = await callApi(presence, "GET", "/workers/routes", routes);
    if (values.json === true) output.print(JSON.stringify({ domains: all, routes: patterns }, undefined, 2));
    else {
      for (const { hostname, service, enabled } of all)
        output.print(`Custom domain ${hostname}: ${service}${enabled ? "" : " (switched off)"}`);
      for (const { pattern, script } of patterns) output.print(`Route ${pattern}: ${script}`);
      if (all.length + patterns.length === 0) output.note("No Worker has a custom domain or a route.");
    }
    return 0;
  },
};
