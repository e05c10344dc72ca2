import type { ActivityTracker } from "./activity.js";
import { trackBody } from "./body.js";
import { ContainerError } from "./container-error.js";
import { diagnose, wasInterrupted } from "./diagnosis.js";
import { EXIT_SIGKILL, type Lifecycle } from "./lifecycle.js";
import { outOfMemory } from "./out-of-memory.js";
import { Outgoing } from "./outgoing.js";
import {
  DEFAULT_INSTANCE_TIMEOUT_MS,
  DEFAULT_PORT_TIMEOUT_MS,
  DEFAULT_WAIT_INTERVAL_MS,
  lateAt,
  notListening,
  startedAt,
  type WaitLimits,
  waitUntilReady,
} from "./readiness.js";
import type { Run } from "./run.js";
import { sleep } from "./wait.js";
import type { WebSockets } from "./websockets.js";

/** How often a request is given a fresh container because the one it was meant for stopped under it. */
const MAX_RESTARTS = 3;

/** Asks the runtime not to decompress an answer, which it would have to compress again. */
const AS_IT_COMES: RequestInit = { encodeResponseBody: "manual" };

export interface ForwardSettings {
  pingEndpoint(): string;
  /** True if `onStart` must have run before the program sees its first request. */
  hasStartHook(): boolean;
}

/** Sends requests to the program in the container, starting it when it does not run. */
export class Forwarder {
  constructor(
    private readonly lifecycle: Lifecycle,
    private readonly activity: ActivityTracker,
    private readonly sockets: WebSockets,
    private readonly settings: ForwardSettings,
  ) {}

  /**
   * The program's answer to `request` on `port`. A failure of the container is answered, not thrown, with a status and a text that says what
   * happened. The container counts as in use until the answer's body has been read or given up, or its WebSocket is closed.
   * `untouched` promises that nobody in this object reads the answer: a compressed body then passes as it is.
   */
  async fetch(request: Request, port: number, untouched: boolean): Promise<Response> {
    this.activity.begin();
    try {
      const outgoing = await Outgoing.of(request);
      const init = untouched ? AS_IT_COMES : undefined;
      const { run } = this.lifecycle;
      const response = run?.takes(port) ? await this.#warm(run, outgoing, init, port) : await this.#cold(outgoing, init, port);
      if (response.webSocket !== null) return await this.sockets.pass(response, this.lifecycle.run);
      return trackBody(response, untouched, this.activity);
    } catch (error) {
      this.activity.end();
      if (error instanceof ContainerError) return error.toResponse();
      throw error;
    }
  }

  /** The common case, kept short: the container runs, its port has answered before. */
  async #warm(run: Run, request: Outgoing, init: RequestInit | undefined, port: number): Promise<Response> {
    try {
      return await run.port(port).fetch(request.attempt(), init);
    } catch (error) {
      await this.#recover(run, request, port, error);
      return this.#cold(request, init, port);
    }
  }

  async #cold(request: Outgoing, init: RequestInit | undefined, port: number): Promise<Response> {
    const deadline = Date.now() + DEFAULT_INSTANCE_TIMEOUT_MS + DEFAULT_PORT_TIMEOUT_MS;
    let restarts = 0;
    for (;;) {
      const run = await this.#prepare(request, port, deadline);
      try {
        const response = await run.port(port).fetch(request.attempt(), init);
        this.lifecycle.answered(run, port);
        return response;
      } catch (error) {
        const restarted = await this.#recover(run, request, port, error, deadline);
        if (restarted && ++restarts > MAX_RESTARTS)
          throw new ContainerError("CONTAINER_EXITED", "The container keeps stopping.", { cause: error });
      }
    }
  }

  /**
   * A run that may be given the request. A request that can be sent again is itself the best probe of the port; one with a body, or one that
   * `onStart` must come before, is only sent when the port has answered.
   */
  async #prepare(request: Outgoing, port: number, deadline: number): Promise<Run> {
    for (let restarts = 0; ; restarts++) {
      const run = await this.#acquire();
      const fresh = run.signalledAt === undefined;
      if (fresh && (run.takes(port) || (request.isBare && !this.settings.hasStartHook()))) {
        run.hook = "done";
        return run;
      }
      try {
        const limits = { ...portLimits(run, port, deadline), signal: request.signal };
        await waitUntilReady(this.lifecycle, run, port, this.settings.pingEndpoint(), limits);
        await this.#started(run);
        return run;
      } catch (error) {
        // It was stopped while this request waited for it: this request is the reason to start it again.
        if (restarts < MAX_RESTARTS && (await wasInterrupted(run))) continue;
        await this.lifecycle.report(run, error);
        throw error;
      }
    }
  }

  async #acquire(): Promise<Run> {
    try {
      return await this.lifecycle.acquire();
    } catch (error) {
      throw startFailure("The container cannot be started", error);
    }
  }

  async #started(run: Run): Promise<void> {
    try {
      await this.lifecycle.started(run);
    } catch (error) {
      throw startFailure("onStart failed", error);
    }
  }

  /**
   * Deals with a failed attempt: returns if the request can be sent again (`true`: to another run), throws a {@link ContainerError} if not.
   * Without a deadline this was the first attempt on a port that had answered before.
   */
  async #recover(run: Run, request: Outgoing, port: number, error: unknown, deadline?: number): Promise<boolean> {
    run.forget(port);
    if (request.signal.aborted) throw new ContainerError("ABORTED", "The client gave up.", { cause: error });
    const diagnosis = await diagnose(run, error);
    if (diagnosis.kind === "fatal") return this.#fail(run, diagnosis.error);
    const { unseen } = diagnosis;
    if (diagnosis.kind === "gone") {
      const served = run.adopted || run.readyPorts.size > 0;
      if (!served && !diagnosis.interrupted) return this.#fail(run, diagnosis.error);
      if (request.mayRepeat({ unseen, explained: diagnosis.interrupted })) return true;
      const shortage = run.exit?.exitCode === EXIT_SIGKILL ? await outOfMemory(run) : undefined;
      if (shortage !== undefined) throw ContainerError.from(shortage, error);
      throw lost("The container stopped while it had this request", error);
    }
    const answered = run.adopted || run.readyPorts.has(port);
    if (!request.mayRepeat({ unseen, explained: !answered })) {
      throw lost(
        answered && !unseen ? "The container closed the connection without an answer" : "The container did not take the request",
        error,
      );
    }
    if (deadline === undefined) return false;
    if (Date.now() >= lateAt(portLimits(run, port, deadline), startedAt(diagnosis.fault))) {
      return this.#fail(run, notListening(port, diagnosis.fault, error));
    }
    await sleep(DEFAULT_WAIT_INTERVAL_MS);
    return false;
  }

  async #fail(run: Run, error: ContainerError): Promise<never> {
    await this.lifecycle.report(run, error);
    throw error;
  }
}

/** How long a request waits for a port. Where others answer and this one never has, it had its time since the program began to run. */
function portLimits(run: Run, port: number, deadline: number): WaitLimits {
  const isUp = !run.adopted && run.readyPorts.size > 0 && !run.readyPorts.has(port);
  const since = isUp ? 0 : deadline - DEFAULT_INSTANCE_TIMEOUT_MS - DEFAULT_PORT_TIMEOUT_MS;
  return { deadline, portMs: DEFAULT_PORT_TIMEOUT_MS, since, intervalMs: DEFAULT_WAIT_INTERVAL_MS };
}

function startFailure(what: string, error: unknown): ContainerError {
  if (error instanceof ContainerError) return error;
  return new ContainerError("START_FAILED", `${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

function lost(what: string, cause: unknown): ContainerError {
  return new ContainerError("CONNECTION_LOST", `${what}.`, { cause });
}
