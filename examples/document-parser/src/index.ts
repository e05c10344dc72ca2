import { Container, ContainerProxy } from "@longshore/containers";

export { ContainerProxy };

interface Env {
  DOC_PARSER: DurableObjectNamespace<DocParser>;
  DOCUMENTS: R2Bucket;
}

export class DocParser extends Container<Env> {
  defaultPort = 8080;
  // Stays warm for the next document.
  sleepAfter = "10m";
  enableInternet = false;
}

DocParser.outboundByHost = {
  // The container reads documents and writes results by plain HTTP, without a key of its own.
  "documents.r2": async (request: Request, env: Env) => {
    const key = decodeURIComponent(new URL(request.url).pathname.slice(1));
    if (request.method === "PUT") {
      await env.DOCUMENTS.put(key, request.body);
      return new Response(null, { status: 204 });
    }
    return stored(key, env);
  },
};

async function stored(key: string, env: Env): Promise<Response> {
  const object = await env.DOCUMENTS.get(key);
  return object === null ? new Response("no such document", { status: 404 }) : new Response(object.body);
}

export default {
  async fetch(req: Request, env: Env): Promise<Response> {
    const key = decodeURIComponent(new URL(req.url).pathname.slice(1));
    if (req.method === "GET") return stored(key, env);
    if (req.method === "PUT") {
      await env.DOCUMENTS.put(key, req.body);
      return Response.json({ r2Key: key });
    }
    const { r2Key } = await req.json<{ r2Key: string }>();
    // Route to document parser container (session by r2Key)
    const id = env.DOC_PARSER.idFromName(r2Key);
    const stub = env.DOC_PARSER.get(id);
    return stub.fetch(
      new Request("http://container/parse", {
        method: "POST",
        body: JSON.stringify({ r2Key }),
        headers: { "Content-Type": "application/json" },
      }),
    );
  },
};
