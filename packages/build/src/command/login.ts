import { text } from "node:stream/consumers";
import { LongshoreError } from "@longshore/contract";
import { openBuildRoot } from "../build-root.js";
import { lastLines, runBuildah } from "../buildah.js";
import { isLoopbackHost } from "../reference.js";
import { print, readFlags, requireWords, type Verb } from "./verb.js";

/** `login --username USER --password-stdin [HOST]`: asks the registry, then keeps the credentials in the build root, readable by its owner only. */
export const login: Verb = async (args, { settings, signal }) => {
  const { values, positionals } = readFlags("login", args, {
    username: { type: "string", short: "u" },
    password: { type: "string", short: "p" },
    "password-stdin": { type: "boolean" },
  });
  const [host = "docker.io"] = positionals;
  if (positionals.length > 1) requireWords("login", positionals, ["HOST"]);
  const password = values["password-stdin"] === true ? (await text(process.stdin)).replace(/\r?\n$/, "") : values.password;
  if (values.username === undefined || password === undefined) {
    throw new LongshoreError("INVALID_INPUT", `Logging in to ${host} needs a user name and a password.`, {
      hint: "Use --username USER --password-stdin, and give the password on the standard input.",
    });
  }
  const root = await openBuildRoot(settings);
  const command = ["login", "--username", values.username, "--password-stdin", ...tlsFlags(host), host];
  const { code, stderr } = await runBuildah(root, command, { output: "capture", stdin: password, signal });
  if (code !== 0) {
    throw new LongshoreError("UNAUTHORIZED", `Logging in to ${host} as ${values.username} failed: ${lastLines(stderr, 3)}`, {
      hint: "Check that the host and port are right, and that the password or token is still valid.",
    });
  }
  print("Login Succeeded");
  return 0;
};

/** `logout [HOST]` */
export const logout: Verb = async (args, { settings }) => {
  const { positionals } = readFlags("logout", args, {});
  const [host = "docker.io"] = positionals;
  const root = await openBuildRoot(settings);
  const { code } = await runBuildah(root, ["logout", host], { output: "capture" });
  print(code === 0 ? `Removed the login for ${host}` : `Not logged in to ${host}`);
  return 0;
};

/** For a registry on this machine, TLS is not verified and plain HTTP is fine. */
export function tlsFlags(host: string): string[] {
  return isLoopbackHost(host) ? ["--tls-verify=false"] : [];
}
