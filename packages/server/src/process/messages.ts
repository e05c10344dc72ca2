import type { CertificatePair } from "@longshore/edge/certificates";
import type { InstallationIdentity } from "../installation/identity.js";
import type { Settings } from "../settings.js";

/** What `up` gives a child process to start with. */
export interface Start {
  readonly settings: Settings;
  readonly identity: InstallationIdentity;
  readonly runDirectory: string;
  /** To the server, which may not be able to read the files: the operator's certificates, and that of the authority's own server. */
  readonly certificates?: readonly CertificatePair[];
  readonly acmeCa?: string;
  /** The child has been up before: what it finds running is to go on running, even when this start fails. */
  readonly again?: true;
  /** What the child has started ends with it when whoever started the child is gone, rather than waiting for a successor. */
  readonly passing?: true;
}

/** From `up` to a child. */
export type ToChild =
  | { readonly kind: "start"; readonly start: Start }
  | { readonly kind: "stop" }
  /** To the server: the engine has ended, and is being started again; or it is there again. */
  | { readonly kind: "engine"; readonly away: boolean }
  /** To the server: the operator's certificates have changed. */
  | { readonly kind: "certificates"; readonly certificates: readonly CertificatePair[] };

/** From a child to `up`. */
export type FromChild =
  | { readonly kind: "ready"; readonly facts: Readonly<Record<string, number>> }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };
