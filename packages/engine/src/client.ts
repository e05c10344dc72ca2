import {
  type EgressUsage,
  type Engine,
  type ErrorCode,
  type ExitReason,
  type InstanceInfo,
  type LogLine,
  type LogQuery,
  type LogSource,
  LongshoreError,
  STATUS_OF_CODE,
  type Tenant,
  type UsageSource,
} from "@longshore/contract";
import { Client } from "undici";
import { LineCutter } from "./log/lines.js";

/** Unpacking a large image is the longest thing that an engine is asked to do, apart from waiting for a container to stop. */
const REQUEST_DEADLINE_MS = 20 * 60_000;

/** The engine of this machine, over its admin socket. Errors keep their codes; an engine that is away is `UNAVAILABLE`. */
export class EngineClient implements Engine, LogSource, UsageSource {
  readonly #socket: string;
  readonly #tenantSocket: (tenant: string) => string;

  constructor(adminSocket: string, tenantSocket: (tenant: string) => string) {
    this.#socket = adminSocket;
    this.#tenantSocket = tenantSocket;
  }

  async putTenant(tenant: Tenant): Promise<void> {
    await this.#request("PUT", `/tenants/${tenant.id}`, tenant);
  }

  async deleteTenant(id: string): Promise<void> {
    await this.#request("DELETE", `/tenants/${id}`);
  }

  async setGate(tenant: string, shut: boolean): Promise<void> {
    await this.#request("PUT", `/tenants/${tenant}/gate`, { shut });
  }

  async resolveImage(image: string): Promise<{ digest: string; downloadBytes: number }> {
    return (await this.#request("POST", "/images/resolve", { image })) as { digest: string; downloadBytes: number };
  }

  async prepareImage(image: string, maxBytes?: number): Promise<{ digest: string; sizeBytes: number }> {
    return (await this.#request("POST", "/images/prepare", { image, maxBytes })) as { digest: string; sizeBytes: number };
  }

  async instances(tenant?: string): Promise<InstanceInfo[]> {
    return (await this.#request("GET", tenant === undefined ? "/instances" : `/instances?tenant=${tenant}`)) as InstanceInfo[];
  }

  async failures(tenant: string): Promise<InstanceInfo[]> {
    return (await this.#request("GET", `/tenants/${tenant}/failures`)) as InstanceInfo[];
  }

  async stopInstance(id: string, reason: ExitReason, graceMs: number): Promise<void> {
    await this.#request("POST", `/instances/${id}/stop`, { reason, graceMs });
  }

  async freezeInstance(id: string, reclaim: boolean): Promise<void> {
    await this.#request("POST", `/instances/${id}/freeze`, { reclaim });
  }

  async thawInstance(id: string): Promise<void> {
    await this.#request("POST", `/instances/${id}/thaw`);
  }

  async logs(id: string, tail: number): Promise<string[]> {
    return (await this.#request("GET", `/instances/${id}/logs?tail=${tail}`)) as string[];
  }

  async egressUsage(): Promise<EgressUsage[]> {
    return (await this.#request("GET", "/egress")) as EgressUsage[];
  }

  async *readLogs(query: LogQuery, signal?: AbortSignal): AsyncGenerator<LogLine> {
    const client = new Client("http://engine", { socketPath: this.#socket, bodyTimeout: 0 });
    try {
      const path = `/logs?query=${encodeURIComponent(JSON.stringify(query))}`;
      const { statusCode, body } = await client.request({ method: "GET", path, ...(signal === undefined ? {} : { signal }) });
      if (statusCode >= 300) throw errorFrom((await body.json()) as { code?: string; message?: string });
      const cutter = new LineCutter();
      for await (const chunk of body) for (const line of cutter.cut(chunk as Buffer)) yield JSON.parse(line.toString("utf8")) as LogLine;
    } catch (cause) {
      if (signal?.aborted === true) return;
      throw cause instanceof LongshoreError ? cause : unavailable(cause);
    } finally {
      client.destroy().catch(ignoreClosed);
    }
  }

  socketPath(tenant: string): string {
    return this.#tenantSocket(tenant);
  }

  async #request(method: "GET" | "PUT" | "POST" | "DELETE", path: string, body?: unknown): Promise<unknown> {
    const client = new Client("http://engine", {
      socketPath: this.#socket,
      headersTimeout: REQUEST_DEADLINE_MS,
      bodyTimeout: REQUEST_DEADLINE_MS,
    });
    try {
      const response = await client.request({ method, path, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      const text = await response.body.text();
      if (response.statusCode < 300) return text === "" ? undefined : JSON.parse(text);
      throw errorFrom(JSON.parse(text));
    } catch (cause) {
      if (cause instanceof LongshoreError) throw cause;
      throw unavailable(cause);
    } finally {
      // Not awaited: the answer is complete.
      client.destroy().catch(ignoreClosed);
    }
  }
}

function unavailable(cause: unknown): LongshoreError {
  return new LongshoreError("UNAVAILABLE", "The container engine does not answer.", {
    cause,
    hint: "It restarts by itself; try again in a moment.",
  });
}

function ignoreClosed(): void {
  // A client that is closed already has nothing left to close.
}

function errorFrom(body: { code?: string; message?: string }): LongshoreError {
  const code = body.code !== undefined && Object.hasOwn(STATUS_OF_CODE, body.code) ? (body.code as ErrorCode) : "INTERNAL";
  return new LongshoreError(code, body.message ?? "The container engine gave no reason.");
}
