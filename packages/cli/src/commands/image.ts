import { SEED_REFERENCES, type SeedName, seedImage } from "@longshore/build";
import { LongshoreError } from "@longshore/contract";
import { dataDirectory } from "@longshore/server";
import { type Command, text } from "../command.js";
import { buildSettingsOf } from "../wrangler/environment.js";

export const imageCommand: Command = {
  name: "image",
  summary: "make base images without a network: image seed busybox|node|node-alpine",
  help: `Usage: longshore image seed <busybox|node|node-alpine> [--data <dir>] [--json]

Makes a base image from this machine's own packages, under the name that a Dockerfile uses, for machines that reach no registry:
${Object.entries(SEED_REFERENCES)
  .map(([name, reference]) => `  ${name.padEnd(13)}${reference}`)
  .join("\n")}

Example:
  longshore image seed node`,
  words: 2,
  options: { data: { type: "string" }, json: { type: "boolean" } },
  async run(values, [action, name], output) {
    if (action !== "seed" || name === undefined || !Object.hasOwn(SEED_REFERENCES, name)) {
      throw new LongshoreError("INVALID_INPUT", `"longshore image ${[action, name].join(" ").trim()}" is not a command.`, {
        hint: `Write "longshore image seed <${Object.keys(SEED_REFERENCES).join("|")}>".`,
      });
    }
    const seeded = await seedImage(name as SeedName, { settings: buildSettingsOf(dataDirectory(text(values, "data"))) });
    if (values.json === true) output.print(JSON.stringify(seeded));
    else output.print(`Made ${seeded.reference} (${(seeded.sizeBytes / 1e6).toFixed(1)} MB) from ${seeded.from}.`);
    return 0;
  },
};
