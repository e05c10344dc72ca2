import { createReadStream, createWriteStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";

const MOUNTED = "/mnt/r2";

// The bucket's objects, as files: GET / lists, GET /<name> reads, PUT /<name> writes.
createServer(async (request, response) => {
  const path = join(MOUNTED, normalize(decodeURIComponent(request.url)));
  try {
    if (request.method === "PUT") {
      await pipeline(request, createWriteStream(path));
      response.end("written\n");
    } else if (request.url === "/") response.end(`${(await readdir(MOUNTED)).join("\n")}\n`);
    else await pipeline(createReadStream(path), response);
  } catch (error) {
    response.writeHead(error.code === "ENOENT" ? 404 : 500).end(`${error.message}\n`);
  }
}).listen(8080);
