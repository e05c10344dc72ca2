import { createServer } from "node:http";

// GET /?<url> asks for that URL from inside the container, and says what came of it.
createServer(async (request, response) => {
  const target = decodeURIComponent(request.url.slice(request.url.indexOf("?") + 1));
  try {
    const answer = await fetch(target, { method: request.method, signal: AbortSignal.timeout(10_000) });
    response.end(`${answer.status} ${await answer.text()}`);
  } catch (error) {
    response.end(`failed: ${error.cause?.message ?? error.message}`);
  }
}).listen(8080);
