import { LongshoreError } from "@longshore/contract";
import { Hono } from "hono";
import { checked, parseJson, readBody, readForm } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { manifestBody } from "../model/asset-manifest.js";
import type { Services } from "../services/services.js";
import { assertScriptName } from "./scripts.js";

/** Room for the paths of as many files as a Worker can have. */
const MANIFEST_LIMIT = 32 * 1024 * 1024;
/** One file of the largest size, as base64, or several small ones. */
const FILES_LIMIT = 64 * 1024 * 1024;

/** Where the upload of static files begins. */
export function assetSessions({ assets }: Services): Hono {
  return new Hono().post("/workers/scripts/:script/assets-upload-session", async (c) => {
    const script = c.req.param("script");
    assertScriptName(script);
    const body = parseJson(new TextDecoder().decode(await readBody(c.req.raw, MANIFEST_LIMIT)), "The request's body");
    return ok(await assets.begin(script, checked(body, manifestBody, "The list of static files").manifest));
  });
}

/** Where the files go. The token is the session's, not the account's: this comes before the account's is asked for. */
export function assetFiles({ assets, options }: Services): Hono {
  return new Hono().post("/accounts/:account/workers/assets/upload", async (c, next) => {
    const token = /^Bearer\s+(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (token === undefined || c.req.param("account") !== options.accountId) return next();
    if (c.req.query("base64") !== "true")
      throw new LongshoreError("INVALID_INPUT", "Static files are uploaded as base64 (`?base64=true`).");
    // Before anything of the body is taken into memory: who sends it has shown nothing else.
    assets.assertOpen(token);
    const uploaded: (readonly [string, Uint8Array])[] = [];
    for (const [hash, file] of await readForm(c.req.raw, FILES_LIMIT)) {
      uploaded.push([hash, Buffer.from(typeof file === "string" ? file : await file.text(), "base64")]);
    }
    const jwt = await assets.add(token, uploaded);
    return jwt === undefined ? ok({}, undefined, 202) : ok({ jwt }, undefined, 201);
  });
}
