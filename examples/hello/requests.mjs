// The requests that show that a deployed `hello` works, checked for real. As a program: node requests.mjs http://hello.localhost:8787 [sleepAfterMs]
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { WebSocket } from "ws";

const MESSAGE = "I was passed in via the container class!";
const BODY_BYTES = 20 * 1024 * 1024;
const EVENTS = { count: 5, ms: 200 };
/** How much later than `sleepAfter` a container may be asleep: noticing it, SIGTERM, the program's own shutdown. A busy machine gets a second try. */
const SLEEP_SLACK_MS = [3000, 20_000];

/**
 * Makes every request against a running deployment and checks what comes back. Resolves with one result per check, in order; a check that
 * throws is a result that is not ok, so this never rejects.
 *
 * @param {string} baseUrl where the application answers; a host under `localhost` is this machine, whatever the resolver knows
 * @param {{ log?: (line: string) => void, sleepAfterMs?: number }} [options] `sleepAfterMs`: what SLEEP_AFTER says, default 10 s
 * @returns {Promise<Array<{ name: string, ok: boolean, ms: number, detail: string }>>}
 */
export async function checkHello(baseUrl, { log = () => undefined, sleepAfterMs = 10_000 } = {}) {
  const app = client(baseUrl);
  const results = [];
  for (const [name, check] of CHECKS) {
    const started = performance.now();
    let result;
    try {
      result = { ok: true, detail: await check(app, { sleepAfterMs }) };
    } catch (error) {
      result = { ok: false, detail: error instanceof Error ? error.message : String(error) };
    }
    const ms = Math.round(performance.now() - started);
    results.push({ name, ms, ...result });
    log(`${result.ok ? "ok    " : "FAILED"} ${String(ms).padStart(6)} ms  ${name}: ${result.detail}`);
  }
  return results;
}

const CHECKS = [
  ["first request starts a container", firstRequest],
  ["two ids, two containers; one id, one container", identities],
  ["/lb reaches at most three", loadBalanced],
  ["/singleton is always the same", singleton],
  ["20 MB there and back, byte for byte", roundTrip],
  ["server-sent events arrive as they are sent", events],
  ["WebSocket echo, text and binary", webSocketEcho],
  ["sleeps when idle, wakes with a fresh disk", sleepAndWake],
];

async function firstRequest(app) {
  const { message, cloudflare, instance } = await app.json("/container/1");
  expect(message === MESSAGE, `the container's message is ${JSON.stringify(message)}`);
  const names = ["APPLICATION_ID", "COUNTRY_A2", "DURABLE_OBJECT_ID", "LOCATION", "REGION"].map((name) => `CLOUDFLARE_${name}`);
  const missing = names.filter((name) => !cloudflare[name]);
  expect(missing.length === 0, `the container lacks ${missing.join(", ")}`);
  return `instance ${instance}, with its message and ${Object.keys(cloudflare).length} CLOUDFLARE_* variables`;
}

async function identities(app) {
  const [one, two] = await Promise.all([app.json("/container/1"), app.json("/container/2")]);
  const again = await app.json("/container/1");
  expect(one.instance !== two.instance, `both ids reached instance ${one.instance}`);
  expect(one.instance === again.instance, `/container/1 reached ${one.instance}, then ${again.instance}`);
  return `/container/1 is ${short(one)}, /container/2 is ${short(two)}`;
}

async function loadBalanced(app) {
  const answers = await Promise.all(Array.from({ length: 15 }, () => app.json("/lb")));
  const reached = new Set(answers.map(({ instance }) => instance));
  expect(reached.size <= 3, `15 requests reached ${reached.size} containers`);
  return `15 requests reached ${reached.size}`;
}

async function singleton(app) {
  const [one, two] = [await app.json("/singleton"), await app.json("/singleton")];
  expect(one.instance === two.instance, `reached ${one.instance}, then ${two.instance}`);
  return short(one);
}

async function roundTrip(app) {
  const sent = randomBytes(BODY_BYTES);
  const response = await app.send("POST", "/container/1/echo", sent);
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of response) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  expect(response.statusCode === 200, `status ${response.statusCode}`);
  expect(bytes === BODY_BYTES, `${bytes} of ${BODY_BYTES} bytes came back`);
  expect(hash.digest("hex") === createHash("sha256").update(sent).digest("hex"), "other bytes came back");
  return `${bytes} bytes`;
}

async function events(app) {
  const response = await app.send("GET", `/container/1/sse?count=${EVENTS.count}&ms=${EVENTS.ms}`);
  const arrivals = [];
  let text = "";
  for await (const chunk of response) {
    text += chunk;
    const complete = text.split("\n\n");
    text = complete.pop();
    for (const event of complete) arrivals.push({ at: performance.now(), event });
  }
  expect(arrivals.length === EVENTS.count, `${arrivals.length} of ${EVENTS.count} events came`);
  const gaps = arrivals.slice(1).map(({ at }, index) => Math.round(at - arrivals[index].at));
  // Events held back by a buffer would come together at the end. A single gap says little: a busy machine delays one event, not all.
  const spread = arrivals.at(-1).at - arrivals[0].at;
  expect(
    spread > ((EVENTS.count - 1) * EVENTS.ms) / 2,
    `they came ${gaps.join(", ")} ms after each other, and are sent each ${EVENTS.ms} ms`,
  );
  return `${EVENTS.count} events, ${gaps.join(", ")} ms after each other`;
}

async function webSocketEcho(app) {
  const socket = app.webSocket("/container/1/socket");
  const messages = [];
  socket.on("message", (data, isBinary) => messages.push({ data, isBinary }));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const sent = ["hello", randomBytes(100_000), "and goodbye"];
  for (const message of sent) socket.send(message);
  for (let waited = 0; messages.length < sent.length && waited < 30_000; waited += 10) await sleep(10);
  expect(messages.length === sent.length, `${messages.length} of ${sent.length} messages came back`);
  messages.forEach(({ data, isBinary }, index) => {
    expect(isBinary === (typeof sent[index] !== "string"), `message ${index} changed its kind`);
    expect(Buffer.compare(data, Buffer.from(sent[index])) === 0, `message ${index} changed`);
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.close(1000);
  return `${sent.length} messages, closed with ${await closed}`;
}

async function sleepAndWake(app, { sleepAfterMs }) {
  const before = await app.json("/container/1/disk");
  const noted = await app.json("/container/1/disk");
  expect(noted.found === before.instance, "the container did not find what it had written itself");
  let waitedMs = 0;
  for (const slackMs of SLEEP_SLACK_MS) {
    // Asking wakes it, so there is no looking in between.
    waitedMs = sleepAfterMs + slackMs;
    await sleep(waitedMs);
    const started = performance.now();
    const after = await app.json("/container/1/disk");
    const ms = Math.round(performance.now() - started);
    if (after.instance === before.instance) continue;
    expect(after.found === null, `a new instance found ${after.found} on its disk`);
    return `${short(before)} slept, ${short(after)} woke in ${ms} ms`;
  }
  throw new Error(`${waitedMs} ms after the last request it still was the same instance`);
}

/** Requests to one base URL. Names under `localhost` are not looked up: not every resolver knows them. */
function client(baseUrl) {
  const base = new URL(baseUrl);
  const local = base.hostname === "localhost" || base.hostname.endsWith(".localhost");
  const lookup = (_name, options, done) => (options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4));
  const options = local && !isIP(base.hostname) ? { lookup } : {};
  const request = base.protocol === "https:" ? httpsRequest : httpRequest;

  const send = (method, path, body) =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { "content-length": body.length, "content-type": "application/octet-stream" };
      const outgoing = request(new URL(path, base), { method, headers, agent: false, ...options }, resolve);
      outgoing.on("error", reject);
      outgoing.end(body);
    });

  const json = async (path) => {
    const response = await send("GET", path);
    let text = "";
    for await (const chunk of response) text += chunk;
    expect(response.statusCode === 200, `GET ${path} answered ${response.statusCode}: ${text.trim()}`);
    return JSON.parse(text);
  };

  return { send, json, webSocket: (path) => new WebSocket(new URL(path, base.href.replace(/^http/, "ws")), options) };
}

function expect(condition, otherwise) {
  if (!condition) throw new Error(otherwise);
}

function short({ instance }) {
  return instance.slice(0, 8);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [baseUrl = "http://hello.localhost:8787", sleepAfterMs] = process.argv.slice(2);
  const results = await checkHello(baseUrl, {
    log: console.log,
    ...(sleepAfterMs === undefined ? {} : { sleepAfterMs: Number(sleepAfterMs) }),
  });
  process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;
}
