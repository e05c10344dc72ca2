import type { ServerResponse } from "node:http";
import { toLongshoreError } from "@longshore/contract";
import type { Answer } from "../router.js";

/** An answer that goes on while the work does: one JSON document per line, as Docker clients show them. */
export class ProgressAnswer {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** With the first line the answer has begun: from then on a failure can only be a line of it. */
  tell(line: Record<string, unknown>): void {
    const response = this.#response;
    if (!response.headersSent) response.writeHead(200, { "content-type": "application/json" });
    if (!response.destroyed) response.write(`${JSON.stringify(line)}\n`);
  }

  /** Does the work, and ends the answer. A failure before the first line is thrown on: it becomes a status. */
  async run(work: () => Promise<void>): Promise<Answer> {
    try {
      await work();
    } catch (error) {
      if (!this.#response.headersSent) throw error;
      const { text } = toLongshoreError(error, "The request");
      this.tell({ errorDetail: { message: text }, error: text });
    }
    this.#response.end();
    return { status: 200 };
  }
}
