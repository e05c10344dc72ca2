import { Container, ContainerProxy, getContainer } from "@longshore/containers";

export { ContainerProxy };

interface Env {
  MY_CONTAINER: DurableObjectNamespace<MyContainer>;
  KV: KVNamespace;
  R2: R2Bucket;
  DB: D1Database;
}

export class MyContainer extends Container<Env> {
  defaultPort = 8080;
  enableInternet = false;

  getStateForKey(key: string): string | undefined {
    return this.ctx.storage.kv.get(`state ${key}`);
  }

  setStateForKey(key: string, value: string): void {
    this.ctx.storage.kv.put(`state ${key}`, value);
  }
}

MyContainer.outboundByHost = {
  "my.kv": async (request: Request, env: Env) => {
    const key = keyOf(request);
    if (request.method === "PUT") {
      await env.KV.put(key, await request.text());
      return new Response("put");
    }
    return orNotFound(await env.KV.get(key));
  },
  // Each container sees objects of its own.
  "my.r2": async (request: Request, env: Env, ctx: { containerId: string }) => {
    const path = `${ctx.containerId}/${keyOf(request)}`;
    if (request.method === "PUT") {
      // R2 wants to know the length, and the container may send its body in chunks.
      await env.R2.put(path, await request.arrayBuffer());
      return new Response("put");
    }
    const object = await env.R2.get(path);
    return object === null ? orNotFound(undefined) : new Response(object.body);
  },
  "my.d1": async (request: Request, env: Env) => {
    const row = await env.DB.prepare("SELECT size FROM widgets WHERE name = ?").bind(keyOf(request)).first<{ size: number }>();
    return orNotFound(row && String(row.size));
  },
  // The container's own Durable Object, by the id that the handler is told.
  "get-state.do": async (request: Request, env: Env, ctx: { containerId: string }) => {
    const stub = env.MY_CONTAINER.get(env.MY_CONTAINER.idFromString(ctx.containerId));
    if (request.method === "PUT") {
      await stub.setStateForKey(keyOf(request), await request.text());
      return new Response("put");
    }
    return orNotFound(await stub.getStateForKey(keyOf(request)));
  },
};

function keyOf(request: Request): string {
  return new URL(request.url).pathname.slice(1);
}

function orNotFound(value: string | null | undefined): Response {
  return value ? new Response(value) : new Response("not found", { status: 404 });
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const instance = new URL(request.url).searchParams.get("instance") ?? undefined;
    return getContainer(env.MY_CONTAINER, instance).fetch(request);
  },
};
