import { spawn } from "node:child_process";

/**
 * Runs a command to its end. Resolves with its standard output; rejects with what it wrote when it fails. Output is shown on standard error
 * only then, or live with `live`.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, live?: boolean }} [options]
 */
export async function command(program, args, { cwd, env = process.env, live = false } = {}) {
  const child = spawn(program, args, { cwd, env, stdio: live ? ["ignore", 2, 2] : ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name]?.setEncoding("utf8").on("data", (chunk) => {
      output[name] += chunk;
    });
  }
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exit, signal) => resolve(exit ?? signal));
  });
  if (code === 0) return output.stdout;
  throw new Error(`"${program} ${args.join(" ")}" ended with ${code}.\n${output.stdout}${output.stderr}`);
}

/** Ends a child process, with SIGKILL if it does not listen. Resolves when it is gone. */
export async function end(child, signal = "SIGTERM", graceMs = 60_000) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  await gone;
  clearTimeout(timer);
}
