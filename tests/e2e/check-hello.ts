import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type AppDirectory, appDirectory, type Platform, repository } from "@longshore/testkit";

/** What the examples' containers sleep after here, so that the tests need not wait for the ten seconds of the example. */
const SLEEP_AFTER_MS = 6000;

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly detail: string;
}
type CheckHello = (url: string, options: { sleepAfterMs: number }) => Promise<Check[]>;

/** One of the two examples, changed only in how soon its containers sleep. */
export function helloApp(example: "hello" | "hello-published"): AppDirectory {
  const app = appDirectory({ example });
  app.replace("wrangler.jsonc", '"SLEEP_AFTER": "10s"', `"SLEEP_AFTER": "${SLEEP_AFTER_MS / 1000}s"`);
  return app;
}

/** Makes the example's own requests; every one must be right. */
export async function assertHello(platform: Platform, app: string): Promise<void> {
  const { checkHello } = (await import(pathToFileURL(join(repository, "examples/hello/requests.mjs")).href)) as { checkHello: CheckHello };
  const results = await checkHello(platform.url(app), { sleepAfterMs: SLEEP_AFTER_MS });
  assert.ok(results.length >= 8, `${results.length} checks were made`);
  const failed = results.filter(({ ok }) => !ok).map(({ name, detail }) => `${app}: ${name}: ${detail}`);
  assert.deepEqual(failed, []);
}

/** A container that runs, and goes on running while a request is under way to it. */
export interface BusyContainer extends AsyncDisposable {
  readonly instance: string;
  readonly durableObjectId: string;
}

/** Starts a container of the example and keeps it from falling asleep until this is disposed. */
export async function busyContainer(platform: Platform, app: string, id: string): Promise<BusyContainer> {
  const { instance, cloudflare } = (await (await platform.fetch(app, `/container/${id}`)).json()) as {
    instance: string;
    cloudflare: Record<string, string>;
  };
  const stream = await platform.fetch(app, `/container/${id}/sse?count=1000&ms=100`);
  return {
    instance,
    durableObjectId: cloudflare.CLOUDFLARE_DURABLE_OBJECT_ID ?? "",
    [Symbol.asyncDispose]: async () => await stream.body?.cancel(),
  };
}

/** How `wrangler containers instances` shows one container. */
export function stateOf(instances: string, { durableObjectId }: BusyContainer): string | undefined {
  const listed = JSON.parse(instances) as { id: string; state: string }[];
  return listed.find(({ id }) => id === durableObjectId)?.state;
}
