import { createServer } from "node:http";

const WIDGETS = [
  { id: 1, name: "Widget A" },
  { id: 2, name: "Sprocket B" },
  { id: 3, name: "Gear C" },
];

createServer((request, response) => {
  const found = request.url === "/api/widgets";
  response.writeHead(found ? 200 : 404, { "content-type": "application/json", "access-control-allow-origin": "*" });
  response.end(JSON.stringify(found ? WIDGETS : { error: `There is no ${request.url}` }));
}).listen(8080);
