import { familiarName, fullName } from "../reference.js";

/** wrangler gives the images of `wrangler dev` names below this one, in every version. */
export const PREFIX = "cloudflare-dev/";

/** True for the name of an image that wrangler has built for development: it goes to the engine, and ends with its wrangler. */
export function isDevelopmentName(name: string): boolean {
  return familiarName(fullName(name)).startsWith(PREFIX);
}

/** What every version's egress interceptor is called, wherever it is pulled from. Here the engine intercepts: there is no such image, and no need of one. */
const INTERCEPTOR = /(?:^|\/)cloudflare\/proxy-everything$/;

/** True for the image that wrangler pulls to intercept outbound traffic with. `named`: the one that the environment names in its place. */
export function isInterceptor(repository: string, name: string, named: string | undefined): boolean {
  return INTERCEPTOR.test(repository) || (named !== undefined && fullName(named) === name);
}
