import { request } from "node:http";

/** What a deploy finds under way besides short requests: an open WebSocket, an upload and a download, each for some seconds and then anew. */
export class LongLived {
  /** How often each kind ended by itself, and was ended. */
  counts = { whole: 0, cut: 0 };
  #stopping = false;
  #runs;

  /** @param {{ port: number, host: string, path: string, seconds: number }} options */
  constructor(options) {
    this.#runs = [upload, download, webSocket].map(async (kind) => {
      while (!this.#stopping) this.counts[(await kind(options)) ? "whole" : "cut"]++;
    });
  }

  /** Resolves when those under way have ended. */
  async stop() {
    this.#stopping = true;
    await Promise.all(this.#runs);
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves to whether all that was sent came back. */
function upload({ port, host, path, seconds }) {
  return new Promise((resolve) => {
    const outgoing = request({ host: "127.0.0.1", port, method: "POST", path: `${path}/echo`, headers: { host }, agent: false });
    outgoing.once("error", () => resolve(false));
    outgoing.once("response", (response) => {
      let bytes = 0;
      response.on("data", (chunk) => {
        bytes += chunk.length;
      });
      response.once("error", () => resolve(false));
      response.once("close", () => resolve(response.complete && bytes === seconds * 10 * 1000));
    });
    void (async () => {
      for (let piece = 0; piece < seconds * 10; piece++) {
        outgoing.write(Buffer.alloc(1000, "x"));
        await pause(100);
      }
      outgoing.end();
    })();
  });
}

function download({ port, host, path, seconds }) {
  return new Promise((resolve) => {
    const outgoing = request({
      host: "127.0.0.1",
      port,
      path: `${path}/sse?ms=100&count=${seconds * 10}`,
      headers: { host },
      agent: false,
    });
    outgoing.once("error", () => resolve(false));
    outgoing.once("response", (response) => {
      response.resume();
      response.once("error", () => resolve(false));
      response.once("close", () => resolve(response.complete));
    });
    outgoing.end();
  });
}

/** Open for the time, with nothing sent after the handshake. */
function webSocket({ port, host, path, seconds }) {
  return new Promise((resolve) => {
    const headers = {
      host,
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "bG9uZ3Nob3JlLWJlbmNoIQ==",
    };
    const outgoing = request({ host: "127.0.0.1", port, path, headers, agent: false });
    outgoing.once("error", () => resolve(false));
    outgoing.once("response", (response) => {
      response.resume();
      resolve(false);
    });
    outgoing.once("upgrade", (_answer, socket) => {
      const timer = setTimeout(() => {
        resolve(true);
        socket.destroy();
      }, seconds * 1000);
      socket.on("error", () => undefined);
      socket.resume();
      socket.once("close", () => {
        clearTimeout(timer);
        resolve(false);
      });
    });
    outgoing.end();
  });
}
