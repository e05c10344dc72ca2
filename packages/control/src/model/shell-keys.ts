import { z } from "zod";
import { ContainersError } from "../api/errors.js";

/** Who may log in to an application's containers; lines as in authorized_keys. */
export interface ShellKeys {
  readonly authorizedKeys: readonly string[];
  readonly authorityKeys: readonly string[];
}

const keys = z.array(z.looseObject({ name: z.string().nullish(), public_key: z.string() })).nullish();
const fields = z.object({
  wrangler_ssh: z.looseObject({ enabled: z.boolean(), port: z.number().int().min(1).max(65_535).nullish() }).nullish(),
  authorized_keys: keys,
  trusted_user_ca_keys: keys,
});

/** The parts of a container's configuration that are about SSH (spec 23). */
export const SHELL_FIELDS: ReadonlySet<string> = new Set(Object.keys(fields.shape));

/** Errors: `VALIDATE_INPUT` naming the field. */
export function assertShellFields(configuration: Readonly<Record<string, unknown>>): void {
  const parsed = fields.safeParse(configuration);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => [issue.path.join("."), issue.message]);
    throw new ContainersError("VALIDATE_INPUT", Object.fromEntries(wrong));
  }
  for (const field of ["authorized_keys", "trusted_user_ca_keys"] as const) {
    for (const { public_key } of parsed.data[field] ?? []) {
      if (/^ssh-ed25519 [A-Za-z0-9+/]{68}(?:\s|$)/.test(public_key.trim())) continue;
      throw new ContainersError("VALIDATE_INPUT", {
        [field]: `${JSON.stringify(public_key.slice(0, 40))} is not a key of the type ssh-ed25519.`,
      });
    }
  }
}

/** `undefined` when the configuration does not allow SSH by wrangler. */
export function shellKeys(configuration: Readonly<Record<string, unknown>>): ShellKeys | undefined {
  const parsed = fields.safeParse(configuration);
  if (!parsed.success || parsed.data.wrangler_ssh?.enabled !== true) return undefined;
  const lines = (of: z.infer<typeof keys>) => (of ?? []).map(({ public_key }) => public_key);
  return { authorizedKeys: lines(parsed.data.authorized_keys), authorityKeys: lines(parsed.data.trusted_user_ca_keys) };
}
