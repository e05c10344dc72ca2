import { LongshoreError } from "@longshore/contract";
import { backup, dataDirectory } from "@longshore/server";
import { type Command, text } from "../command.js";
import { passphraseOf } from "../passphrase.js";
import { ProgressBar } from "../progress.js";

export const backupCommand: Command = {
  name: "backup",
  summary: "copy everything that an installation keeps: backup <file or directory>",
  help: `Usage: longshore backup <file or directory> [--passphrase-file <file>] [--data <dir>] [--json]

Copies what an installation was given – Workers, secrets, tokens, images, Durable Objects' storage, KV, D1, R2, settings – as of one moment, while it
runs: it stands still for that moment, requests wait. Into a file that is not there yet (tar and Zstandard), or into an empty directory.
Not in it: running containers and their disks, snapshots of them, logs, and the configuration file that "up --config" names.

  --passphrase-file <file>   encrypt the installation's keys; without it whoever has the backup can read the secrets in it

Examples:
  longshore backup /backups/monday.tar.zst --passphrase-file /root/backup-passphrase
  longshore backup /mnt/backup-disk/today/`,
  words: 1,
  options: { data: { type: "string" }, json: { type: "boolean" }, "passphrase-file": { type: "string" } },
  async run(values, [target, ...more], output) {
    if (target === undefined || more.length > 0)
      throw new LongshoreError("INVALID_INPUT", "Say where to: longshore backup <file or directory>.");
    const data = dataDirectory(text(values, "data"));
    using bar = new ProgressBar("Backup");
    const began = performance.now();
    const facts = await backup({ data, target, ...passphraseOf(values), progress: bar.update });
    const seconds = Number(((performance.now() - began) / 1000).toFixed(2));
    bar[Symbol.dispose]();
    if (values.json === true) output.print(JSON.stringify({ ...facts, seconds }, undefined, 2));
    else {
      const still = facts.frozenMs === 0 ? "it does not run" : `it stood still for ${facts.frozenMs} ms`;
      output.print(`${target}: ${facts.files} files, ${(facts.bytes / 1e6).toFixed(1)} MB, ${facts.databases} databases; ${still}.`);
      if (!facts.encryptedKeys) output.note("The keys are in it as they are: keep it as safe as the installation.");
    }
    return 0;
  },
};
