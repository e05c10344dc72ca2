import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type {
  AccountLimits,
  Bucket,
  Databases,
  Engine,
  KeyValues,
  ObjectStorage,
  Publish,
  Queues,
  Scope,
  TraceSource,
  TrafficGate,
  WorkerHost,
} from "@longshore/contract";
import type { CrashReaction } from "./model/rollout.js";
import type { ApiTokens } from "./state/api-tokens.js";

/** Who a bearer token belongs to, and what it may do. */
export interface Identity {
  readonly accountId: string;
  /** 32 hex; stays the same for the token's life. */
  readonly tokenId: string;
  readonly tokenName: string;
  readonly scopes: readonly Scope[];
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
}

export interface RegistryGrant {
  /** The token that asks: the password ends with it. */
  readonly tokenId: string;
  readonly permissions: readonly ("push" | "pull")[];
  readonly expirationMinutes: number;
}

/** What the control plane asks of the registry. */
export interface Images {
  /** What `<account>/<name>:<tag>` or `<account>/<name>@sha256:…` is; `undefined` when the registry has no such image. `size` in bytes. */
  resolve(reference: string): Promise<{ readonly digest: string; readonly size: number } | undefined>;
}

/** Where a shell is opened, and with which keys; lines as in authorized_keys. */
export interface ShellPlace {
  /** The unix socket of the application's engine. */
  readonly socketPath: string;
  readonly container: string;
  readonly authorizedKeys: readonly string[];
  readonly authorityKeys: readonly string[];
}

/** Whoever speaks SSH. */
export interface ShellServer {
  /** Takes over a connection that asks for a WebSocket. Disposing the result ends it. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, place: ShellPlace): Disposable;
}

export interface Log {
  info(message: string, facts?: Readonly<Record<string, unknown>>): void;
  warn(message: string, facts?: Readonly<Record<string, unknown>>): void;
  error(message: string, facts?: Readonly<Record<string, unknown>>): void;
}

/** The current time, in milliseconds since 1970. */
export type Clock = () => number;

/** Where this installation says it is, for the containers' `CLOUDFLARE_*` variables. */
export interface Place {
  readonly country: string;
  readonly location: string;
  readonly region: string;
}

/** How rollouts are made where nobody says otherwise. */
export interface RolloutSettings {
  /** How long streams and WebSockets get before instances are told to stop, in milliseconds. */
  readonly drainMs: number;
  /** How long the new instances of a step are watched before the next, in milliseconds. */
  readonly watchMs: number;
  readonly onCrash: CrashReaction;
}

export interface ControlOptions {
  readonly bucket: Bucket;
  /** 32 lower-case hex digits: image names tell an account by that form. */
  readonly accountId: string;
  readonly accountName: string;
  /** What `GET workers/subdomain` answers: a client prints it in the Worker's URL. */
  readonly subdomain: string;
  /** The registry's `host` or `host:port`, as it stands in image names. */
  readonly registryHost: string;
  /** 32 bytes that secrets are encrypted with at rest. */
  readonly secretsKey: Uint8Array;
  /** Who may ask for what. */
  readonly tokens: ApiTokens;
  /** A password for the registry's user `v1`. */
  readonly mintRegistryPassword: (grant: RegistryGrant) => Promise<string>;
  readonly images: Images;
  readonly engine: Engine;
  readonly workers: WorkerHost & TraceSource;
  readonly keyValues: KeyValues;
  readonly databases: Databases;
  readonly queues: Queues;
  readonly objects: ObjectStorage;
  readonly traffic: TrafficGate;
  /** Is told where scripts are served, from `resume` on. */
  readonly publish: Publish;
  readonly shells: ShellServer;
  readonly log: Log;
  readonly clock?: Clock;
  readonly place?: Place;
  readonly rollouts?: RolloutSettings;
  /** What all live containers may have together; the documented limits unless it is given. */
  readonly accountLimits?: AccountLimits;
}
