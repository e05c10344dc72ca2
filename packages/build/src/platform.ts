import { LongshoreError } from "@longshore/contract";

/** What containers run on, and so what images are built for. */
export const PLATFORM = "linux/amd64";

/** Errors: `UNSUPPORTED` for any platform but {@link PLATFORM}. */
export function requirePlatform(platform: string | undefined): void {
  if (platform === undefined || platform === PLATFORM || platform === "linux/x86_64") return;
  throw new LongshoreError("UNSUPPORTED", `The platform "${platform}" was asked for, but containers here run ${PLATFORM}.`, {
    hint: `Leave the platform out, or use --platform ${PLATFORM}.`,
  });
}
