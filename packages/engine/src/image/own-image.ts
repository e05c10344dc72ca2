import { LongshoreError } from "@longshore/contract";
import { namesRegistry } from "./registry/reference.js";

/**
 * The image that a Worker asks for in place of its class's (`ctx.container.start({ image })`), as the installation's registry names it. It may be any
 * of the same account: `app:v2`, `<account>/app:v2`, or either with the registry's name before it.
 * Errors: `UNSUPPORTED` for an image of somebody else's: a Worker must not make this machine connect to where it likes.
 */
export function ownImage(classImage: string, requested: string): string {
  const account = classImage.slice(0, classImage.indexOf("/") + 1);
  const path = namesRegistry(requested) ? requested.slice(requested.indexOf("/") + 1) : requested;
  if (path.startsWith(account)) return path;
  if (path === requested && !path.includes("/")) return account + path;
  throw new LongshoreError(
    "UNSUPPORTED",
    `A container cannot be started from the image "${requested}": it is not in this account's registry.`,
    {
      hint: "Push it with `wrangler containers push`, and name it as <name>:<tag>.",
    },
  );
}
