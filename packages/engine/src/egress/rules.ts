import { LongshoreError } from "@longshore/contract";
import { z } from "zod";

/** What a container's Worker has said about its outbound traffic, as it stands. */
export interface EgressRules {
  /** Where the application's workerd takes intercepted connections, on the host's loopback. */
  readonly port: number;
  /** Globs of the names that something is registered for; `*` also stands for "some network is". Empty: nothing is intercepted. */
  readonly allowHostnames: readonly string[];
  /** Whether what nothing is registered for may go out. */
  readonly internet: boolean;
  /** True if the workerd that takes connections now never heard of {@link internet}, as one that was restarted: it dials nothing itself then. */
  readonly unheard?: boolean;
}

const update = z.object({
  port: z.int().min(1).max(65_535),
  dns: z.object({ allowHostnames: z.array(z.string().max(1024)).max(10_000).nullish() }).nullish(),
  internet: z.object({ enabled: z.boolean() }).nullish(),
});

/**
 * Takes a `PUT /egress` into the rules. A workerd that was restarted sends its new port alone: what was said before stays. Without any word on
 * it, there is no Internet. Errors: `INVALID_INPUT`.
 */
export function mergeRules(current: EgressRules | undefined, body: unknown): EgressRules {
  const parsed = update.safeParse(body);
  if (!parsed.success) {
    throw new LongshoreError("INVALID_INPUT", `The outbound rules cannot be read: ${z.prettifyError(parsed.error)}`, {
      cause: parsed.error,
    });
  }
  const { port, dns, internet } = parsed.data;
  const heard = internet !== undefined && internet !== null;
  const unheard = !heard && current !== undefined && (current.unheard === true || current.port !== port);
  return {
    port,
    allowHostnames: dns === undefined || dns === null ? (current?.allowHostnames ?? []) : (dns.allowHostnames ?? []),
    internet: internet?.enabled ?? current?.internet ?? false,
    ...(unheard ? { unheard } : {}),
  };
}

/** True when something may be registered for the name: then workerd has to be asked. */
export function mayIntercept({ allowHostnames }: EgressRules, hostname: string | undefined): boolean {
  if (allowHostnames.includes("*")) return true;
  return hostname !== undefined && allowHostnames.some((glob) => globMatches(glob.toLowerCase(), hostname));
}

/** `*` stands for any characters. Linear in the product of both lengths, whatever the pattern. */
export function globMatches(pattern: string, name: string): boolean {
  let [at, from, star, retry] = [0, 0, -1, 0];
  while (at < name.length) {
    if (pattern[from] === "*") {
      star = from++;
      retry = at;
    } else if (pattern[from] === name[at]) {
      from++;
      at++;
    } else if (star >= 0) {
      from = star + 1;
      at = ++retry;
    } else {
      return false;
    }
  }
  while (pattern[from] === "*") from++;
  return from === pattern.length;
}
