import { LongshoreError } from "@longshore/contract";
import type { Instance } from "../instance/instance.js";
import type { SandboxHost } from "../sandbox/sandbox.js";
import { planExec } from "./command.js";
import { Exec, type TerminalSize } from "./exec.js";
import type { ExecRequest } from "./process-spec.js";

/** How long an exec that has ended, or was never started, can be asked about. */
const KEEP_MS = 5 * 60_000;
/** Commands that run at once in one container. Each has a parent process outside of the container's limits. */
const MAX_RUNNING = 256;

/** The execs of one tenant. */
export class ExecRegistry {
  readonly #host: SandboxHost;
  readonly #byId = new Map<string, Exec>();
  /** workerd's tokens for killing → the exec that runs under it. */
  readonly #byToken = new Map<string, Exec>();
  /** Execs that are only a signal to another one. */
  readonly #signals = new WeakMap<Exec, { readonly killToken: string; readonly signal: number }>();

  constructor(host: SandboxHost) {
    this.#host = host;
  }

  /** Errors: `CONFLICT` when the container does not run, `INVALID_INPUT` without a command. */
  create(instance: Instance, request: ExecRequest): Exec {
    const { record, live } = instance;
    if (!live || record.status === "created") throw new LongshoreError("CONFLICT", `The container ${record.name} is not running.`);
    if (request.command.length === 0) throw new LongshoreError("INVALID_INPUT", "An exec needs a command.");
    this.#prune();
    const plan = planExec(request.command);
    // A token of another container is no token here; then the command is run as it was written.
    const target = plan.kind === "signal" ? this.#byToken.get(plan.killToken) : undefined;
    const exec = new Exec(instance, { ...request, command: plan.kind === "run" ? plan.argv : request.command }, this.#host);
    if (plan.kind === "signal" && target?.instance === instance) this.#signals.set(exec, plan);
    if (plan.kind === "run" && plan.killToken !== undefined) this.#byToken.set(plan.killToken, exec);
    this.#byId.set(exec.id, exec);
    return exec;
  }

  /** Errors: `NOT_FOUND`. */
  find(id: string): Exec {
    const exec = this.#byId.get(id);
    if (exec === undefined) throw new LongshoreError("NOT_FOUND", `There is no exec ${id}.`);
    return exec;
  }

  /**
   * As {@link Exec.start}; an exec that is a signal sends it. Signalling what has ended is fine.
   * Errors: also `LIMIT_REACHED`.
   */
  async start(exec: Exec, connect: Parameters<Exec["start"]>[0], size?: TerminalSize): Promise<void> {
    // A container that sleeps wakes for its exec.
    exec.instance.arrived();
    const signal = this.#signals.get(exec);
    if (signal === undefined) {
      this.#requirePlace(exec.instance);
      return await exec.start(connect, size);
    }
    this.#byToken.get(signal.killToken)?.signal(signal.signal);
    exec.completeWithout(0);
    connect()?.output.end();
  }

  #requirePlace(instance: Instance): void {
    const running = [...this.#byId.values()].filter((exec) => exec.instance === instance && exec.running).length;
    if (running < MAX_RUNNING) return;
    throw new LongshoreError("LIMIT_REACHED", `${running} commands run in the container ${instance.record.name} at once, as many as can.`, {
      hint: "Wait for some of them, or run them from one script.",
    });
  }

  #prune(): void {
    const oldest = Date.now() - KEEP_MS;
    for (const [id, exec] of this.#byId) {
      if (!exec.running && exec.lastUsed < oldest) this.#byId.delete(id);
    }
    for (const [token, exec] of this.#byToken) if (!this.#byId.has(exec.id)) this.#byToken.delete(token);
  }
}
