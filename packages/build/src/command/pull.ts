import { LongshoreError } from "@longshore/contract";
import { openBuildRoot } from "../build-root.js";
import { buildah, runBuildah } from "../buildah.js";
import { isInterceptor } from "../development/name.js";
import { spaceError } from "../disk-space.js";
import { PLATFORM, requirePlatform } from "../platform.js";
import { recordDigest } from "../push-record.js";
import { fullName, parseReference, repositoryOf } from "../reference.js";
import { readConfig, requireImage } from "../storage.js";
import { withWorkDirectory } from "../work-directory.js";
import { tlsFlags } from "./login.js";
import { print, readFlags, requireWords, type Verb } from "./verb.js";

/** `pull NAME [--platform linux/amd64]` */
export const pull: Verb = async (args, { settings, signal }) => {
  const { values, positionals } = readFlags("pull", args, { platform: { type: "string" }, quiet: { type: "boolean", short: "q" } });
  requireWords("pull", positionals, ["NAME"]);
  const [text = ""] = positionals;
  requirePlatform(values.platform);
  const name = fullName(text);
  const reference = parseReference(text);
  if (isInterceptor(repositoryOf(reference), name, settings.interceptor)) {
    print(`${text}: not needed, Longshore's engine intercepts outbound traffic itself`);
    return 0;
  }
  const root = await openBuildRoot(settings);
  return withWorkDirectory(root, async (workDirectory) => {
    const flags = ["--signature-policy", root.policy, "--policy", "always", "--platform", PLATFORM, ...tlsFlags(reference.host)];
    if (values.quiet === true) flags.push("--quiet");
    const { code } = await runBuildah(root, ["pull", ...flags, `docker://${name}`], { output: "live", workDirectory, signal });
    if (signal.aborted) return code;
    if (code !== 0) {
      const noSpace = await spaceError(root);
      if (noSpace !== undefined) throw noSpace;
      throw new LongshoreError("UNAVAILABLE", `${name} could not be pulled; the reason is above.`, {
        hint: `Check the name, that the registry ${reference.host} can be reached, and that you are logged in if it is private.`,
      });
    }
    const image = await requireImage(root, name);
    const { os, architecture } = await readConfig(root, image);
    if (`${os}/${architecture}` !== PLATFORM) {
      await buildah(root, ["rmi", name], `Removing ${name}`);
      throw new LongshoreError("UNSUPPORTED", `${name} is for ${os}/${architecture}, and containers here run ${PLATFORM}.`, {
        hint: `Use a tag of the image that is for ${PLATFORM}.`,
      });
    }
    if (image.digest !== undefined) await recordDigest(root, image.id, repositoryOf(reference), image.digest);
    print(name);
    return 0;
  });
};
