import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { openBuildRoot } from "../build-root.js";
import { runBuildah } from "../buildah.js";
import { recordDigest } from "../push-record.js";
import { fullName, parseReference, repositoryOf } from "../reference.js";
import { requireImage } from "../storage.js";
import { withWorkDirectory } from "../work-directory.js";
import { tlsFlags } from "./login.js";
import { print, readFlags, requireWords, type Verb } from "./verb.js";

/** A third of the time of the default level, for a tenth more bytes: whoever deploys waits for the one, and mostly to this machine itself. */
const COMPRESSION = ["--compression-format", "gzip", "--compression-level", "1"];

/** `push NAME`: layers that the registry has are not sent. The digest is remembered, for `RepoDigests`. */
export const push: Verb = async (args, { settings, signal }) => {
  const { values, positionals } = readFlags("push", args, {
    platform: { type: "string" },
    quiet: { type: "boolean", short: "q" },
    "disable-content-trust": { type: "boolean" },
  });
  requireWords("push", positionals, ["NAME"]);
  const [name = ""] = positionals;
  const reference = parseReference(name);
  const root = await openBuildRoot(settings);
  const image = await requireImage(root, name);

  return withWorkDirectory(root, async (workDirectory) => {
    const digestFile = join(workDirectory, "digest");
    const flags = ["--signature-policy", root.policy, "--digestfile", digestFile, ...COMPRESSION, ...tlsFlags(reference.host)];
    if (values.quiet === true) flags.push("--quiet");
    const { code } = await runBuildah(root, ["push", ...flags, image.id, `docker://${fullName(name)}`], {
      output: "inherit",
      workDirectory,
      signal,
    });
    if (signal.aborted) return code;
    if (code !== 0) {
      throw new LongshoreError("UNAVAILABLE", `Pushing ${name} failed; the reason is above.`, {
        hint: `Check that the registry ${reference.host} runs, has room, and that you are logged in to it.`,
      });
    }
    const digest = (await readFile(digestFile, "utf8")).trim();
    await recordDigest(root, image.id, repositoryOf(reference), digest);
    print(`${reference.tag ?? digest}: digest: ${digest}`);
    return 0;
  });
};
