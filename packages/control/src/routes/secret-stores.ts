import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok, page } from "../api/envelope.js";
import { SECRET_NAME_PATTERN, type SecretStore, type StoredSecret } from "../model/secret-stores.js";
import type { Services } from "../services/services.js";

/** In UTF-8 bytes: twice a large key. */
const MAX_VALUE_BYTES = 64 * 1024;

const name = z.string().regex(SECRET_NAME_PATTERN, "1 to 255 letters, digits, - and _");
const scopes = z.array(z.string().min(1).max(64)).min(1).max(20);
const value = z
  .string()
  .min(1)
  .refine((text) => Buffer.byteLength(text) <= MAX_VALUE_BYTES, `at most ${MAX_VALUE_BYTES} bytes`);
const comment = z.string().max(1024);
const newStore = z.object({ name: z.string().min(1).max(255) });
const newSecrets = z
  .array(z.object({ name, value, scopes, comment: comment.nullish() }))
  .min(1)
  .max(100);
const changes = z.object({ value: value.optional(), scopes: scopes.optional(), comment: comment.optional() });
const copy = z.object({ name, scopes, comment: comment.nullish() });
const deleted = z.array(z.object({ id: z.string() })).min(1);

/** The account's Secrets Store. No answer has a value in it. */
export function secretStores({ secretStores: stores, options }: Services): Hono {
  const storeView = ({ id, name: title, createdOn }: SecretStore) => {
    return { id, name: title, account_id: options.accountId, created: createdOn, modified: createdOn };
  };
  return new Hono()
    .get("/secrets_store/stores", async (c) => page((await stores.list()).map(storeView), (key) => c.req.query(key)))
    .post("/secrets_store/stores", async (c) => {
      const asked = await readJson(c.req.raw, z.union([newStore, z.tuple([newStore])]));
      // The API's other clients send a list of one, and want one back.
      return Array.isArray(asked) ? ok([storeView(await stores.create(asked[0].name))]) : ok(storeView(await stores.create(asked.name)));
    })
    .get("/secrets_store/stores/:store", async (c) => ok(storeView(await stores.get(c.req.param("store")))))
    .delete("/secrets_store/stores/:store", async (c) => {
      await stores.delete(c.req.param("store"));
      return ok(null);
    })
    .get("/secrets_store/stores/:store/secrets", async (c) => {
      const search = c.req.query("search") ?? "";
      const found = (await stores.secrets(c.req.param("store"))).filter(
        (each) => each.name.includes(search) || each.comment.includes(search),
      );
      return page(found.map(secretView), (key) => c.req.query(key));
    })
    .post("/secrets_store/stores/:store/secrets", async (c) => {
      const secrets = await readJson(c.req.raw, newSecrets);
      const added = await stores.add(
        c.req.param("store"),
        secrets.map((each) => ({ ...each, comment: each.comment ?? "" })),
      );
      return ok(added.map(secretView));
    })
    .delete("/secrets_store/stores/:store/secrets", async (c) => {
      const ids = (await readJson(c.req.raw, deleted)).map(({ id }) => id);
      const removed = await stores.remove(c.req.param("store"), ids);
      return ok(removed.map(secretView));
    })
    .get("/secrets_store/stores/:store/secrets/:secret", async (c) => {
      return ok(secretView(await stores.secret(c.req.param("store"), c.req.param("secret"))));
    })
    .patch("/secrets_store/stores/:store/secrets/:secret", async (c) => {
      const asked = await readJson(c.req.raw, changes);
      const said = Object.fromEntries(Object.entries(asked).filter(([, each]) => each !== undefined));
      return ok(secretView(await stores.change(c.req.param("store"), c.req.param("secret"), said)));
    })
    .delete("/secrets_store/stores/:store/secrets/:secret", async (c) => {
      const [removed] = await stores.remove(c.req.param("store"), [c.req.param("secret")]);
      return ok(removed === undefined ? null : secretView(removed));
    })
    .post("/secrets_store/stores/:store/secrets/:secret/duplicate", async (c) => {
      const as = await readJson(c.req.raw, copy);
      const [added] = await stores.duplicate(c.req.param("store"), c.req.param("secret"), { ...as, comment: as.comment ?? "" });
      return ok(added === undefined ? null : secretView(added));
    });
}

function secretView({ id, storeId, name: title, comment: words, scopes: readers, createdOn, modifiedOn }: StoredSecret) {
  return {
    id,
    store_id: storeId,
    name: title,
    comment: words,
    scopes: readers,
    status: "active",
    created: createdOn,
    modified: modifiedOn,
  };
}
