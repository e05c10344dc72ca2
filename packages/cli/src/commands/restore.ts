import { existsSync } from "node:fs";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { dataDirectory, restore } from "@longshore/server";
import { type Command, text } from "../command.js";
import { passphraseOf } from "../passphrase.js";
import { ProgressBar } from "../progress.js";

export const restoreCommand: Command = {
  name: "restore",
  summary: "make a data directory from a backup: restore <file or directory>",
  help: `Usage: longshore restore <file or directory> [--passphrase-file <file>] [--data <dir>] [--json]

Makes a data directory from what "longshore backup" made, on this machine or another. "longshore up" on it is the installation that was backed up: the same
account, tokens, applications, data and images. A data directory that has content is left alone.

Example:
  longshore restore /backups/monday.tar.zst --data /srv/longshore && longshore up --data /srv/longshore`,
  words: 1,
  options: { data: { type: "string" }, json: { type: "boolean" }, "passphrase-file": { type: "string" } },
  async run(values, [source, ...more], output) {
    if (source === undefined || more.length > 0)
      throw new LongshoreError("INVALID_INPUT", "Say from where: longshore restore <file or directory>.");
    const data = dataDirectory(text(values, "data"));
    using bar = new ProgressBar("Restore");
    const manifest = await restore({ source, data, ...passphraseOf(values), progress: bar.update });
    bar[Symbol.dispose]();
    if (values.json === true) output.print(JSON.stringify({ ...manifest, data }, undefined, 2));
    else {
      const settings = join(data, "settings.json");
      output.print(`${data} is as it was at ${manifest.createdAt}: ${manifest.files} files, ${(manifest.bytes / 1e6).toFixed(1)} MB.
Start it:
  longshore up --data ${data}${existsSync(settings) ? ` --config ${settings}` : ""}`);
    }
    return 0;
  },
};
