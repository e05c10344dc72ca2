import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "dns-packet";
import { damaged, fuzz } from "../testing/fuzz.js";
import { Resolver } from "./resolver.js";
import { UpstreamResolvers } from "./upstream-resolvers.js";

test("whatever a container asks the resolver, it is answered or not; with the Internet off nothing is asked further", async () => {
  const resolver = new Resolver(new UpstreamResolvers([]));
  const rules = { port: 1, allowHostnames: ["*.example"], internet: false };
  const questions = ["A", "AAAA", "TXT", "SRV"].map((type) =>
    encode({ type: "query", id: 7, flags: 0x100, questions: [{ type: type as "A", name: "my.worker.example" }] }),
  );
  await fuzz(damaged(questions), async (query) => {
    const answer = await resolver.answer(query, rules);
    if (answer !== undefined) assert.ok(answer.length >= 12 && answer.readUInt16BE(0) === query.readUInt16BE(0));
  });
});
