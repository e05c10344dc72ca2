import { Hono } from "hono";
import { z } from "zod";
import { assertAllowed } from "../../api/access.js";
import { readJson } from "../../api/body.js";
import { ok } from "../../api/envelope.js";
import { ContainersError, notServed } from "../../api/errors.js";
import type { Services } from "../../services/services.js";

/** Clients ignore the name that they are given for some commands, and log in as this one. */
const REGISTRY_USER = "v1";

const body = z.looseObject({
  permissions: z.array(z.enum(["push", "pull", "library_push"])).min(1),
  expiration_minutes: z
    .number()
    .min(1)
    .max(7 * 24 * 60),
});

/** The installation's own registry. What other registries ask for stands in the configuration file. */
export function registries({ options }: Services): Hono {
  return new Hono()
    .get("/registries", () => ok([]))
    .post("/registries", () => {
      throw notServed(
        "Setting another registry's credentials with wrangler",
        "Set them under `registries` in the file that `longshore up --config` names (docs/images.md); public images need none.",
      );
    })
    .post("/registries/:domain/credentials", async (c) => {
      const domain = c.req.param("domain");
      const { permissions, expiration_minutes } = await readJson(c.req.raw, body);
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
