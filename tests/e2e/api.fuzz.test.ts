import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Agent, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { type Answer, drafts, Harness, HELD, populate, requestOf, SECRET, STRANGERS } from "@longshore/control/testing";
import { type Platform, platformSuite } from "@longshore/testkit";
import fc from "fast-check";
import { fetch } from "undici";

/** Requests in the suite; `npm run fuzz -- e2e/api` sends more. The control plane alone gets many more in its own fuzz test. */
const RUNS = 200;
/** Requests delete much of what others need: after so many there is everything once more. */
const REQUESTS_PER_POPULATION = 100;
/** A deploy that another request asks for may stand before. */
const ANSWER_MS = 60_000;

const { test } = platformSuite();

test("whatever is asked of the API, the real parts behind it fail at nothing", async (platform) => {
  await pushImages(platform);
  const { accountId, registryHost, token } = platform.presence;
  const call = caller(platform);
  const populated = () => populate({ call }, { account: accountId, registry: registryHost, owner: token });
  let target = await populated();
  let requests = 0;
  await using harness = await Harness.start();
  const routes = (await harness.routes()).filter(({ method, path }) => method !== "ALL" || !path.endsWith("*"));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const property = fc.asyncProperty(drafts, async (draft) => {
    if (++requests % REQUESTS_PER_POPULATION === 0) {
      for (const { id } of (await call("GET", "workers/scripts")).result) await call("DELETE", `workers/scripts/${id}?force=true`);
      target = await populated();
    }
    const sent = await requestOf(draft, routes, target);
    const { status, text } = await send(platform, agent, sent);
    const said = `${sent.method} ${sent.path} as ${draft.caller} ${sent.body?.toString("latin1").slice(0, 2_000) ?? ""} → ${status} ${text.slice(0, 500)}`;
    assert.ok(status < 500, said);
    assert.ok(!text.includes(SECRET) || sent.body?.includes(SECRET), said);
    if (STRANGERS.includes(draft.caller)) assert.ok(!text.includes(HELD), said);
  });
  await fc.assert(property, { numRuns: fc.readConfigureGlobal().numRuns ?? RUNS, includeErrorInReport: true });
  agent.destroy();
  assert.equal((await call("GET", "/user")).status, 200);
  assert.doesNotMatch(platform.logs(), /"level":"error".*a request failed/);
});

function caller({ presence: { apiUrl, accountId, token } }: Platform): Harness["call"] {
  return async (method, path, body) => {
    const isRaw = body instanceof FormData || typeof body === "string";
    const answer = await globalThis.fetch(`${apiUrl}${path.startsWith("/") ? path : `/accounts/${accountId}/${path}`}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(isRaw ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    });
    return { status: answer.status, ...((await answer.json()) as Omit<Answer, "status">) };
  };
}

async function send(
  { presence: { apiUrl } }: Platform,
  agent: Agent,
  { method, path, headers, body }: Awaited<ReturnType<typeof requestOf>>,
): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(apiUrl);
  return await new Promise((resolve, reject) => {
    const lengths = body === undefined ? {} : { "content-length": body.length };
    const options = { hostname, port, agent, method, path, headers: { ...headers, ...lengths }, signal: AbortSignal.timeout(ANSWER_MS) };
    const outgoing = request(options, (response) => {
      buffer(response).then((bytes) => resolve({ status: response.statusCode ?? 0, text: bytes.toString("utf8") }), reject);
    });
    outgoing.on("error", (error) => reject(new Error(`${method} ${path}: ${error.message}`, { cause: error })));
    outgoing.end(body);
  });
}

/** Two images that hold nothing. */
async function pushImages({ presence: { registryHost, accountId, token } }: Platform): Promise<void> {
  const authorization = `Basic ${Buffer.from(`v1:${token}`).toString("base64")}`;
  const digestOf = (content: string) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
  for (const tag of ["one", "two"]) {
    const config = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] }, config: { Cmd: [tag] } });
    const at = `http://${registryHost}/v2/${accountId}/app`;
    await fetch(`${at}/blobs/uploads/?digest=${digestOf(config)}`, { method: "POST", headers: { authorization }, body: config });
    const type = "application/vnd.oci.image.manifest.v1+json";
    const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length };
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType: type, config: descriptor, layers: [] });
    const pushed = await fetch(`${at}/manifests/${tag}`, {
      method: "PUT",
      headers: { authorization, "content-type": type },
      body: manifest,
    });
    assert.equal(pushed.status, 201, await pushed.text());
  }
}
