import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Control } from "@longshore/control";
import { createApiServer } from "./api-server.js";
import { listenOn } from "./listen-on.js";
import type { R2Service } from "./r2.js";

test("clients that ask for an upgrade to nothing and reset their connections end nobody else's", async () => {
  let asked = 0;
  const upgrade = () => {
    asked++;
    return false;
  };
  const control = { fetch: () => new Response("here"), upgrade } as unknown as Control;
  const server = createApiServer(control, { takeS3: () => false } as unknown as R2Service);
  const port = await listenOn(server, "127.0.0.1", 0, "API", "--api-port");
  try {
    for (let number = 0; number < 20; number++) {
      const client = connect(port, "127.0.0.1");
      const head = "GET /tails/none HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
      client.write(head, () => client.resetAndDestroy());
      await once(client, "close");
    }
    // An error that nobody listens for is this process's end, and so this test's.
    while ((await promisify(server.getConnections.bind(server))()) > 0) await new Promise(setImmediate);
    assert.ok(asked > 0);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "here");
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
