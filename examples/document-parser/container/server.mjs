import { createServer } from "node:http";
import { json } from "node:stream/consumers";

// POST /parse { "r2Key": … }: reads the document, a table of comma-separated values, and writes what it holds beside it as JSON.
createServer(async (request, response) => {
  if (request.url !== "/parse") return response.writeHead(404).end();
  const { r2Key } = await json(request);
  const address = `http://documents.r2/${encodeURIComponent(r2Key)}`;
  const document = await fetch(address);
  if (!document.ok) return response.writeHead(404).end(`There is no document ${r2Key}.\n`);
  const rows = parse(await document.text());
  await fetch(`${address}.json`, { method: "PUT", body: JSON.stringify(rows) });
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ result: `${r2Key}.json`, rows: rows.length }));
}).listen(8080);

function parse(text) {
  const [head, ...lines] = text.trim().split("\n");
  const names = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((value, index) => [names[index], value])));
}
