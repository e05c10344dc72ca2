import type { Platform } from "@longshore/testkit";
import { REQUEST_DEADLINE_MS } from "./store.js";

/** The API, as its clients use it. What is refused is thrown, but for 404. */
export class Api {
  constructor(readonly platform: Platform) {}

  async request(method: string, path: string, body?: string | FormData, type = "application/octet-stream"): Promise<Response> {
    const { apiUrl, accountId, token } = this.platform.presence;
    const response = await fetch(`${apiUrl}/accounts/${accountId}/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(typeof body === "string" ? { "content-type": type } : {}) },
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
      ...(body === undefined ? {} : { body }),
    });
    if (response.ok || response.status === 404) return response;
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  }

  async json(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.request(method, path, body === undefined ? undefined : JSON.stringify(body), "application/json");
    const { success, result } = (await response.json()) as { success: boolean; result: unknown };
    if (!success) throw new Error(`${method} ${path} was refused.`);
    return result;
  }

  /** Deploys, and switches the Worker's address on. */
  async publish(script: string, code: string): Promise<void> {
    await this.deploy(script, code);
    await this.json("POST", `workers/scripts/${script}/subdomain`, { enabled: true });
  }

  async deploy(script: string, code: string): Promise<void> {
    const form = new FormData();
    form.set("metadata", JSON.stringify({ main_module: "index.js", compatibility_date: "2026-01-01" }));
    form.set("index.js", new File([code], "index.js", { type: "application/javascript+module" }));
    await this.request("PUT", `workers/scripts/${script}`, form);
  }
}
