import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { damaged, fuzz } from "../testing/fuzz.js";
import { Ingress } from "./ingress.js";

const bases = [
  "CONNECT 127.0.0.1:8080 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Dst-Addr: 10.0.0.1:8080\r\n\r\n",
  "CONNECT [::1]:99999 HTTP/1.1\r\n\r\nbody",
  'PUT /egress HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{"port":1234}',
  "PUT /egress HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
  "GET /ca HTTP/1.1\r\nHost: x\r\n\r\n",
].map((text) => Buffer.from(text));

test("whatever comes to a container's door, it is answered or closed, and the door stays open", async () => {
  await using ingress = await Ingress.listen(0, {
    instance: () => undefined,
    failure: () => undefined,
    configureEgress: () => undefined,
    certificate: () => "certificate",
    lastLines: () => Promise.resolve([]),
  });
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const send = async (bytes: Buffer) =>
    await new Promise<string>((resolve, reject) => {
      let answer = "";
      const socket = connect(ingress.port, "127.0.0.1", () => socket.end(bytes));
      socket.on("data", (chunk) => {
        answer += chunk.toString("latin1");
      });
      socket.on("error", (error: NodeJS.ErrnoException) =>
        error.code === "ECONNRESET" || error.code === "EPIPE" ? resolve(answer) : reject(error),
      );
      socket.on("close", () => resolve(answer));
    });
  await send(Buffer.from("GET /ca HTTP/1.0\r\n\r\n"));
  const before = descriptors();
  await fuzz(damaged(bases), async (bytes) => {
    const answer = await send(bytes);
    assert.doesNotMatch(answer, /^HTTP\/1\.1 500/);
  });
  assert.match(await send(Buffer.from("GET /ca HTTP/1.0\r\n\r\n")), /certificate$/);
  // What was closed last may take its time.
  for (let turn = 0; turn < 200 && descriptors() > before + 10; turn++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(descriptors() <= before + 10);
});
