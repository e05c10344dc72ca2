import { Hono } from "hono";
import { z } from "zod";
import { assertAllowed } from "../../api/access.js";
import { readJson } from "../../api/body.js";
import { ok } from "../../api/envelope.js";
import { ContainersError } from "../../api/errors.js";
import { present, REGISTRY_KINDS, registryDomain, registryView } from "../../model/image-registries.js";
import type { Services } from "../../services/services.js";

/** Clients ignore the name that they are given for some commands, and log in as this one. */
const REGISTRY_USER = "v1";
const MAX_CERTIFICATES = 256 * 1024;

const grant = z.looseObject({
  permissions: z.array(z.enum(["push", "pull", "library_push"])).min(1),
  expiration_minutes: z
    .number()
    .min(1)
    .max(7 * 24 * 60),
});

const reference = z.object({ store_id: z.string(), secret_name: z.string() });
const configured = z.looseObject({
  domain: registryDomain,
  is_public: z.boolean().nullish(),
  auth: z.object({ public_credential: z.string().min(1), private_credential: z.union([z.string().min(1), reference]) }).nullish(),
  kind: z.enum(REGISTRY_KINDS).nullish(),
});

/** What `longshore registry add` says. A password comes with a name. */
const settings = z
  .strictObject({
    kind: z.enum(REGISTRY_KINDS).optional(),
    user: z.string().min(1).max(512).optional(),
    secret: z
      .string()
      .min(1)
      .max(64 * 1024)
      .optional(),
    region: z
      .string()
      .regex(/^[a-z0-9-]+$/)
      .optional(),
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
    ca: z.string().max(MAX_CERTIFICATES).includes("-----BEGIN CERTIFICATE-----", "must be PEM certificates").optional(),
    insecure: z.boolean().optional(),
    mirror: registryDomain.optional(),
  })
  .refine(({ user, secret }) => (user === undefined) === (secret === undefined), "needs a user and a secret, or neither");

/** Credentials for the installation's own registry, and what is needed to pull from others. */
export function registries({ options, imageRegistries }: Services): Hono {
  return new Hono()
    .get("/registries", async () => ok((await imageRegistries.list()).map(registryView)))
    .post("/registries", async (c) => {
      const { domain, auth, kind } = await readJson(c.req.raw, configured);
      const given = auth?.private_credential;
      const secret = typeof given === "object" ? { storeId: given.store_id, secretName: given.secret_name } : given;
      const changes = present({ kind: kind ?? undefined, user: auth?.public_credential, secret });
      return ok(registryView(await imageRegistries.configure(domain, changes)));
    })
    .put("/registries/:domain", async (c) => {
      const domain = registryDomain.safeParse(c.req.param("domain"));
      if (!domain.success) throw new ContainersError("VALIDATE_INPUT", { domain: domain.error.issues[0]?.message ?? "is not valid" });
      return ok(registryView(await imageRegistries.change(domain.data, present(await readJson(c.req.raw, settings)))));
    })
    .delete("/registries/:domain", async (c) => {
      const { domain, credential } = await imageRegistries.remove(c.req.param("domain"));
      const isInStore = credential !== undefined && "storeId" in credential;
      return ok({ domain, ...(isInStore ? { secrets_store_ref: `${credential.storeId}:${credential.secretName}` } : {}) });
    })
    .post("/registries/:domain/credentials", async (c) => {
      const domain = c.req.param("domain");
      const { permissions, expiration_minutes } = await readJson(c.req.raw, grant);
      if (domain !== options.registryHost) {
        throw new ContainersError(
          "IMAGE_REGISTRY_NOT_FOUND",
          { domain: `"${domain}" is not this installation's registry.` },
          { hint: `Set CLOUDFLARE_CONTAINER_REGISTRY to ${options.registryHost}.` },
        );
      }
      const caller = c.get("caller");
      if (permissions.some((each) => each !== "pull")) assertAllowed(caller, { area: "registry", access: "write" });
      const password = await options.mintRegistryPassword({
        tokenId: caller.tokenId,
        permissions: permissions.filter((each) => each !== "library_push"),
        expirationMinutes: expiration_minutes,
      });
      return ok({ account_id: options.accountId, registry_host: domain, username: REGISTRY_USER, password });
    });
}
