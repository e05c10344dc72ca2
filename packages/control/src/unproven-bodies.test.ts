import assert from "node:assert/strict";
import { test } from "node:test";
import { ACCOUNT, Harness } from "./test-support/harness.js";

const CHUNK = new Uint8Array(64 * 1024);
/** Past what a stream reads ahead. */
const MOST_TAKEN = 4;

for (const [path, status] of [
  [`/accounts/${ACCOUNT}/workers/assets/upload?base64=true`, 401],
  ["/d1-transfers/1700000000000-0000", 404],
] as const) {
  test(`${path} takes nothing into memory of who has shown no token of ours`, async () => {
    await using api = await Harness.start();
    let taken = 0;
    const body = new ReadableStream({
      pull(controller) {
        taken++;
        // Its end is a failure too: what is measured is that nobody gets there.
        if (taken > 1000) controller.close();
        else controller.enqueue(CHUNK);
      },
    });
    const method = status === 401 ? "POST" : "PUT";
    const headers = { authorization: "Bearer nobody's", "content-type": "multipart/form-data; boundary=b" };
    const request = new Request(`${api.url}${path}`, { method, headers, body, duplex: "half" } as RequestInit);
    const response = await api.control.fetch(request);
    assert.equal(response.status, status);
    assert.ok(taken <= MOST_TAKEN, `${taken} pieces of the body were read`);
  });
}
