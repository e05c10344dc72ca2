// The Worker of the tests of route(). /pool/<path> goes where route() says, with the options in the query.
import { Container, route } from "@longshore/containers";

/** Counts what is open at once in each instance, and how much that was at most. */
const open = new Map();
let most = 0;

export class Pool extends Container {
  defaultPort = 8080;
  constructor(ctx, env) {
    super(ctx, env);
    this.sleepAfter = env.SLEEP_AFTER;
  }

  async fetch(request) {
    const name = this.ctx.id.toString();
    open.set(name, (open.get(name) ?? 0) + 1);
    most = Math.max(most, open.get(name));
    const response = await super.fetch(request);
    if (response.webSocket !== null) return response;
    const { readable, writable } = new TransformStream();
    const done = () => open.set(name, open.get(name) - 1);
    response.body.pipeTo(writable).then(done, done);
    return new Response(readable, response);
  }
}

/** Whose instances nothing puts to sleep. */
export class Stubborn extends Pool {
  async onActivityExpired() {
    await Promise.resolve();
  }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/most") return Response.json({ most, instances: open.size });
    const options = JSON.parse(url.searchParams.get("options") ?? "{}");
    const [, name] = url.pathname.split("/");
    url.pathname = url.pathname.slice(1 + name.length);
    try {
      return await route(env[name.toUpperCase()], options).fetch(new Request(url, request));
    } catch (error) {
      return Response.json({ name: error.name, message: error.message }, { status: 500 });
    }
  },
};
