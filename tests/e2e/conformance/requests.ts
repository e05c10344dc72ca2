import assert from "node:assert/strict";
import { rows } from "./row.js";

/** What becomes of requests to a container. */
export const requestRows = rows("requests", {
  "`fetch` starts the container, with the class's variables": async (side) => {
    const { status, text } = await side.fresh().started();
    assert.deepEqual([status, text], [200, "Hello from 8080: the class's message"]);
  },
  "`containerFetch` called from the Worker": async (side) => {
    const box = await side.shared();
    assert.equal((await box.send("container-fetch", "/")).text, "Hello from 8080: the class's message");
  },
  "an answer without content (204) stays one": async (side) => {
    const { status, text } = await (await side.shared()).started("/no-content");
    assert.deepEqual([status, text], [204, ""]);
  },
  "an error status of the program, with its body": async (side) => {
    const box = await side.shared();
    const { status, text } = await box.send("fetch", "/error");
    assert.deepEqual([status, text], [500, "the program's own error"]);
  },
  "a redirect is the client's to follow": async (side) => {
    const { status, headers } = await (await side.shared()).started("/redirect");
    assert.deepEqual([status, headers.get("location")], [302, "/boot"]);
  },
  "method, path, query and headers arrive": async (side) => {
    const box = await side.shared();
    const { text } = await box.send("fetch", "/seen?a=1&b=%20", { method: "PUT", body: "x", headers: { "x-own": "kept" } });
    const seen = JSON.parse(text) as { method: string; url: string; headers: Record<string, string> };
    assert.deepEqual([seen.method, seen.url, seen.headers["x-own"]], ["PUT", "/seen?a=1&b=%20", "kept"]);
  },
  "a request that an `https` URL names reaches the program as plain HTTP": async (side) => {
    const box = await side.shared();
    assert.equal((await box.call<{ status: number }>("ask", "https")).status, 200);
  },
  "several cookies stay several": async (side) => {
    assert.deepEqual((await (await side.shared()).started("/cookies")).headers.getSetCookie(), ["a=1", "b=2"]);
  },
  "a compressed answer is what the program meant": async (side) => {
    assert.equal((await (await side.shared()).started("/gzip")).text, "compressed by the program");
  },
  "a body of 1 MiB there and back": async (side) => {
    const box = await side.shared();
    const body = "0123456789abcdef".repeat(65_536);
    assert.equal((await box.send("fetch", "/echo", { method: "POST", body })).text === body, true);
  },
  "ten first requests at once start one container, and `onStart` is called once": async (side) => {
    const box = side.fresh();
    const answers = await Promise.all(Array.from({ length: 10 }, () => box.started("/boot")));
    assert.deepEqual([new Set(answers.map(({ text }) => text)).size, answers[0]?.status], [1, 200]);
    assert.deepEqual(await box.events(), ["start"]);
  },
  "`containerFetch` without a port throws and says so": async (side) => {
    await assert.rejects(side.fresh("NoPort").call("ask", "request"), /port/i);
  },
  "`getRandom` and `loadBalance` reach all instances and no more": async (side) => {
    for (const verb of ["random", "load-balance"]) {
      const reached = new Set<string>();
      for (let left = 24; left > 0; left--) {
        const { status, text } = await side.fresh().send(verb, "/boot");
        if (status === 200) reached.add(text);
      }
      assert.equal(reached.size, 2);
    }
  },
  "`containerFetch(url)`": async (side) => {
    const box = await side.shared();
    assert.match((await box.call<{ text: string }>("ask", "url")).text, /"url":"\/seen\?a=1"/);
  },
  "`containerFetch` with a relative URL": async (side) => {
    const box = await side.shared();
    assert.match((await box.call<{ text: string }>("ask", "relative")).text, /"url":"\/seen\?b=2"/);
  },
  "`containerFetch` with a relative URL, init and port": async (side) => {
    const box = await side.shared();
    assert.equal((await box.call<{ text: string }>("ask", "relative, init, port")).text, "posted");
  },
  "`containerFetch(url, init, port)`": async (side) => {
    const box = await side.shared();
    assert.equal((await box.call<{ text: string }>("ask", "url, init, port")).text, "posted");
  },
  "`containerFetch(request, { port })`, as the field guide has it": async (side) => {
    const box = await side.shared();
    assert.match((await box.call<{ text: string }>("ask", "request, { port }")).text, /from 8081/);
  },
});
