// The Worker of the tests: /<CLASS>/<instance name>/<what>. What starts with "@" is done by the Durable Object, the rest goes to its container.
import { Container, getContainer, switchPort } from "@longshore/containers";

const events = [];

class Base extends Container {
  defaultPort = 8080;
  sleepAfter = "10m";
  envVars = { MESSAGE: "from the class" };

  constructor(ctx, env) {
    super(ctx, env);
    if (env.SLEEP_AFTER) this.sleepAfter = env.SLEEP_AFTER;
  }

  note(event, detail) {
    events.push({ class: this.constructor.name, id: this.ctx.id.toString(), event, ...detail });
  }

  alarm(info) {
    this.note("alarm");
    return super.alarm(info);
  }

  onStop(params) {
    this.note("stop", params);
  }

  onError(error) {
    this.note("error", { code: error.code, message: error.message });
    throw error;
  }

  answer(request) {
    return super.fetch(request);
  }

  async fetch(request) {
    const url = new URL(request.url);
    const [, , , what] = url.pathname.split("/");
    if (!what?.startsWith("@")) return this.answer(request);
    const args = url.searchParams.get("args");
    try {
      const result = await this[what.slice(1)](...(args === null ? [] : JSON.parse(args)));
      return Response.json({ result: result ?? null });
    } catch (error) {
      return Response.json({
        error: { name: error.name, code: error.code, message: error.message, exitCode: error.exitCode, lastLines: error.lastLines },
      });
    }
  }
}

/** No onStart: the first request is itself the probe. */
export class Plain extends Base {}

/** With onStart, which talks to the container before any request does. */
export class Hooked extends Base {
  async onStart() {
    this.note("start");
    const response = await this.containerFetch("http://container/from-onStart");
    this.note("started", { path: (await response.json()).path });
  }
}

/** With an onStart that takes a while and cannot fail. */
export class Noted extends Base {
  async onStart() {
    this.note("start");
    await scheduler.wait(10);
  }
}

/** Nothing overridden: requests meet the fetch of the library itself. */
export class Zip extends Container {
  defaultPort = 8080;
}

export class ZipReader extends Base {
  async answer(request) {
    const text = await (await super.answer(request)).text();
    return new Response(`read ${text.length} characters`);
  }
}

/** Sleeps with its memory kept. */
export class Frozen extends Base {
  sleepMode = "freeze";
  constructor(ctx, env) {
    super(ctx, env);
    this.sleepAfter = 1;
  }
}

export class Hog extends Plain {}
export class Dies extends Plain {}
export class Deaf extends Plain {}
export class Slow extends Plain {}
export class Leaves extends Plain {}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/events") return Response.json(events.filter(({ id }) => id === (url.searchParams.get("id") ?? id)));
    const [, name, instance] = url.pathname.split("/");
    if (name === "ids") return new Response(env[instance].idFromName(url.searchParams.get("name")).toString());
    const port = url.searchParams.get("port");
    const stub = getContainer(env[name], instance);
    return stub.fetch(port === null ? request : switchPort(request, Number(port)));
  },
};
