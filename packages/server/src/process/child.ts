import { rmSync } from "node:fs";
import { toLongshoreError } from "@longshore/contract";
import type { CertificatePair } from "@longshore/edge/certificates";
import { log } from "../log.js";
import type { FromChild, Start, ToChild } from "./messages.js";

/** What a child process runs. */
export interface Service {
  /** Facts for `up`, such as the ports taken. */
  readonly facts: Readonly<Record<string, number>>;
  /** Ends everything that the service started. */
  stop(): Promise<void>;
  /** The engine has ended, or is there again. */
  engineAway?(away: boolean): void;
  /** These are the operator's certificates now. */
  setCertificates?(certificates: readonly CertificatePair[]): void;
}

/**
 * The life of a child process of `longshore up`: it is told to start, says that it is ready, and ends when told to — or at once, leaving
 * containers and Workers running for its successor, when `up` itself is gone. A passing one has no successor: it leaves nothing.
 */
export function runChild(name: string, start: (start: Start) => Promise<Service>): void {
  let service: Promise<Service> | undefined;
  let passing: Start | undefined;
  // The terminal's Ctrl-C goes to every process of the group; only `up` decides what it means.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => log.info(`${name}: ${signal} is left to "up"`));
  process.on("disconnect", () => (passing === undefined ? process.exit(0) : void end(name, service, passing.runDirectory)));
  process.on("message", (message: ToChild) => {
    if (message.kind === "start") {
      if (message.start.passing === true) passing = message.start;
      service = start(message.start);
      service.then(
        ({ facts }) => tell({ kind: "ready", facts }),
        (error: unknown) => failed(name, error),
      );
    } else if (message.kind === "stop") {
      void end(name, service);
    } else {
      // Why it did not start was told already.
      void service?.then(
        (running) => pass(running, message),
        () => undefined,
      );
    }
  });
}

function pass(service: Service, message: Extract<ToChild, { kind: "engine" | "certificates" }>): void {
  if (message.kind === "engine") service.engineAway?.(message.away);
  else service.setCertificates?.(message.certificates);
}

/** `directory` is removed with what was started, where nobody else is there to do it. */
async function end(name: string, service: Promise<Service> | undefined, directory?: string): Promise<void> {
  try {
    await (await service)?.stop();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
    process.exit(0);
  } catch (error) {
    log.error(`${name}: stopping failed`, { error: String(error) });
    process.exit(1);
  }
}

function failed(name: string, error: unknown): void {
  const failure = toLongshoreError(error, `Starting the ${name}`);
  log.error(`${name}: start failed`, { error: failure.text, cause: String(failure.cause ?? ""), stack: failure.stack });
  process.send?.({ kind: "failed", code: failure.code, message: failure.text } satisfies FromChild, () => process.exit(1));
}

function tell(message: FromChild): void {
  process.send?.(message);
}
