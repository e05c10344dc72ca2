// The Worker of the outbound tests. /<n>/<what>?…: what the Durable Object numbered n does with its container.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

/** Takes intercepted traffic, and says by its tag which registration it came from. */
export class Taker extends WorkerEntrypoint {
  async fetch(request) {
    const { tag } = this.ctx.props;
    if (request.headers.has("x-longshore-question")) return new Response(null, { status: 204, headers: { "x-container-outbound": tag } });
    if (request.headers.get("upgrade") === "websocket") {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.addEventListener("message", ({ data }) => server.send(`${tag}: ${data}`));
      return new Response(null, { status: 101, webSocket: client });
    }
    if (new URL(request.url).pathname === "/echo") return new Response(request.body);
    if (new URL(request.url).pathname === "/bytes") return new Response(new Uint8Array(await request.arrayBuffer()));
    return new Response(`${tag} ${request.method} ${request.url}`);
  }

  async connect(socket) {
    const reader = socket.readable.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    const writer = socket.writable.getWriter();
    await writer.write(new TextEncoder().encode(`${this.ctx.props.tag}: ${value}`));
    await writer.close();
  }
}

export class Box extends DurableObject {
  async fetch(request) {
    const url = new URL(request.url);
    const what = url.pathname.split("/")[2];
    const get = (name) => url.searchParams.get(name) ?? undefined;
    const { container } = this.ctx;
    if (what === "start") {
      const variable = get("env");
      container.start({ enableInternet: get("internet") === "on", ...(variable === undefined ? {} : { env: { [variable]: "1" } }) });
      return await container.getTcpPort(8080).fetch("http://container/");
    }
    // An object that nobody asks anything for ten seconds is put away, and its container with it.
    if (what === "stay") await scheduler.wait(10 * 60_000);
    if (what === "running") return Response.json(container.running);
    const taker = this.ctx.exports.Taker({ props: { tag: get("tag") } });
    if (what === "all") await container.interceptAllOutboundHttp(taker);
    if (what === "http") await container.interceptOutboundHttp(get("to"), taker);
    if (what === "https") await container.interceptOutboundHttps(get("to"), taker);
    if (what === "tcp") await container.interceptOutboundTcp(get("to"), taker);
    return new Response("done");
  }
}

export default {
  async fetch(request, env) {
    const n = new URL(request.url).pathname.split("/")[1];
    try {
      return await env.BOX.get(env.BOX.idFromName(n)).fetch(request);
    } catch (error) {
      return new Response(String(error?.stack ?? error), { status: 500 });
    }
  },
};
