import { createServer } from "node:http";

const NAMES = ["ENV_VAR", "WORKER_SECRET", "SECRET_STORE_SECRET", "KV_VALUE"];

createServer((_request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, process.env[name]]))));
}).listen(8080);
