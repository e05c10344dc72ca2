import { setTimeout as sleep } from "node:timers/promises";
import { toLongshoreError } from "@longshore/contract";
import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../../api/body.js";
import { ok } from "../../api/envelope.js";
import type { Services } from "../../services/services.js";

const body = z.looseObject({ image: z.string() });

/** Clients ask again every two seconds; what is ready sooner is said at once. */
const ANSWER_MS = 1_500;

type Outcome = { readonly status: "ready" } | { readonly status: "error"; readonly reason: string };

/** Images that a version will name are made ready before it is uploaded. */
export function imagePreparations({ imageCheck }: Services): Hono {
  const underWay = new Map<string, Promise<Outcome>>();
  const prepare = async (image: string): Promise<Outcome> => {
    try {
      await imageCheck.preparePinned(image);
      return { status: "ready" };
    } catch (error) {
      return { status: "error", reason: toLongshoreError(error, `Preparing ${image}`).text };
    } finally {
      underWay.delete(image);
    }
  };
  return new Hono().post("/image-preparations", async (c) => {
    const { image } = await readJson(c.req.raw, body);
    const outcome = underWay.get(image) ?? prepare(image);
    underWay.set(image, outcome);
    void outcome.then(() => underWay.delete(image));
    const known = await Promise.race([outcome, sleep(ANSWER_MS, { status: "pending" } as const)]);
    return ok({ image, ...known });
  });
}
