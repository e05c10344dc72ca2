import type { ActivityTracker } from "../activity.js";
import type { Lifecycle } from "../lifecycle.js";
import { startOnly } from "../start.js";
import { ExecSession } from "./session.js";

type ContainerHandle = NonNullable<DurableObjectState["container"]>;

/**
 * Runs a command in the container, which is started if it does not run. The container counts as in use until the command has ended. Errors: those of a
 * start, a `TypeError` for a command that is none, the signal's, and the runtime's if the program is not there.
 */
export async function exec(
  container: ContainerHandle,
  lifecycle: Lifecycle,
  activity: ActivityTracker,
  command: string[],
  options: ContainerExecOptions | undefined,
): Promise<ExecSession> {
  if (!Array.isArray(command) || command.length === 0 || !command.every((word) => typeof word === "string")) {
    throw new TypeError(`exec() takes a program and its arguments as a list of strings, not ${JSON.stringify(command)}.`);
  }
  activity.begin("execs");
  const done = () => activity.end("execs");
  try {
    const { run } = lifecycle;
    if (run === undefined || run.signalledAt !== undefined) {
      await startOnly(lifecycle, {}, options?.signal === undefined ? {} : { signal: options.signal });
    }
    const process = await container.exec(command, options);
    process.exitCode.then(done, done);
    return new ExecSession(process);
  } catch (error) {
    done();
    throw error;
  }
}
