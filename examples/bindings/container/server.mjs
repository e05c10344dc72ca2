import { createServer } from "node:http";

const HOSTS = { kv: "my.kv", r2: "my.r2", d1: "my.d1", state: "get-state.do" };

// /kv/<key>, /r2/<key>, /state/<key> read, and write with PUT; /d1/<name> reads a row. No client library: plain HTTP to a name that the Worker answers.
createServer(async (request, response) => {
  const [, binding, ...rest] = request.url.split("/");
  const host = HOSTS[binding];
  if (host === undefined) return response.writeHead(404).end("There is no such binding.\n");
  const body = request.method === "PUT" ? { body: request, duplex: "half" } : {};
  const answer = await fetch(`http://${host}/${rest.join("/")}`, { method: request.method, ...body });
  response.writeHead(answer.status).end(await answer.text());
}).listen(8080);
