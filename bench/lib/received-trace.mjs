// Loaded into Longshore's server by NODE_OPTIONS=--import: how many bytes came in on each TCP port that it listens on, in the file that
// BENCH_RECEIVED names, written when a connection ends and each 50 ms while any is open.
import { channel } from "node:diagnostics_channel";
import { writeFileSync } from "node:fs";

const file = process.env.BENCH_RECEIVED;

if (file !== undefined && process.argv[1]?.endsWith("server-main.js")) {
  const received = {};
  const open = new Map();
  const count = (socket) => {
    const { port, counted } = open.get(socket);
    received[port] = (received[port] ?? 0) + socket.bytesRead - counted;
    open.set(socket, { port, counted: socket.bytesRead });
  };
  const write = () => writeFileSync(file, JSON.stringify(received));
  channel("net.server.socket").subscribe(({ socket }) => {
    if (socket.localPort === undefined) return;
    open.set(socket, { port: socket.localPort, counted: 0 });
    socket.once("close", () => {
      count(socket);
      open.delete(socket);
      write();
    });
  });
  setInterval(() => {
    if (open.size === 0) return;
    for (const socket of open.keys()) count(socket);
    write();
  }, 50).unref();
  write();
}
