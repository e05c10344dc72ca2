// Loaded into the container engine by NODE_OPTIONS=--import: notes when each call of the Docker API arrives and when its answer is ready, from
// diagnostics channels. One JSON line for each, in the file that BENCH_ENGINE_TRACE names.
import { channel } from "node:diagnostics_channel";
import { appendFile } from "node:fs";

const file = process.env.BENCH_ENGINE_TRACE;

if (file !== undefined && process.argv[1]?.endsWith("engine-main.js")) {
  const arrivals = new WeakMap();
  const lines = [];
  let timer;
  const note = (line) => {
    lines.push(JSON.stringify(line));
    // Written in one go when the engine is idle again: what is measured must not wait for a disk.
    clearTimeout(timer);
    timer = setTimeout(() => appendFile(file, `${lines.splice(0).join("\n")}\n`, () => undefined), 20);
    timer.unref();
  };
  const now = () => performance.timeOrigin + performance.now();
  channel("http.server.request.start").subscribe(({ request }) => arrivals.set(request, now()));
  channel("http.server.response.finish").subscribe(({ request }) => {
    note({ call: `${request.method} ${request.url}`, from: arrivals.get(request), to: now() });
  });
  // Small requests that the engine answers without Node's HTTP server.
  channel("longshore.engine.request.start").subscribe(({ request }) => arrivals.set(request, now()));
  channel("longshore.engine.response.finish").subscribe(({ request }) => {
    note({ call: `${request.method} ${request.target}`, from: arrivals.get(request), to: now() });
  });
  channel("net.server.socket").subscribe(({ socket }) => note({ call: "connection", from: now(), tcp: socket.localPort !== undefined }));
}
