import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Tenant } from "@longshore/contract";
import { docker } from "../testing/docker-client.js";
import { adminRoutes } from "./admin-api.js";
import { routesHandler } from "./router.js";

test("what becomes the name of a file leads nowhere: the server, which asks, is not root", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "ls-a-"));
  const put: Tenant[] = [];
  const engine = { putTenant: async (tenant: Tenant) => void put.push(tenant) } as unknown as Parameters<typeof adminRoutes>[0];
  const server = createServer(routesHandler(adminRoutes(engine)));
  t.after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  const socket = join(directory, "s");
  server.listen(socket);
  await once(server, "listening");
  for (const id of ["../../escaped", "a/b", "", "~docker", "web.json", "A", "a\0", 7, undefined]) {
    assert.equal((await docker(socket, "PUT", "/tenants/web", { id, classes: [] })).status, 400, String(id));
  }
  assert.deepEqual(put, []);
  for (const id of ["web", "a-b_c", "9", "x".repeat(63)]) {
    assert.equal((await docker(socket, "PUT", `/tenants/${id}`, { id, classes: [] })).status, 204, id);
  }
  assert.equal(put.length, 4);
});
