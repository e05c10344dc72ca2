import { createServer } from "node:http";

createServer((_request, response) => response.end(process.env.CLOUDFLARE_DURABLE_OBJECT_ID)).listen(8080);
