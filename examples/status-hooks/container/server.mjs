import { createServer } from "node:http";

// GET /exit/<code> ends the program with that code.
createServer((request, response) => {
  const code = /^\/exit\/(\d+)$/.exec(request.url)?.[1];
  response.end("Hello from the container.\n", () => {
    if (code !== undefined) process.exit(Number(code));
  });
}).listen(4000);

process.on("SIGTERM", () => process.exit(0));
