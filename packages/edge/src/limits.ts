/** What a client may ask of the edge. Sizes in bytes, times in milliseconds. */
export interface EdgeLimits {
  /** Of a request's line and headers together; more is answered 431. */
  readonly headBytes: number;
  /** Of a request's path and query; more is answered 414. */
  readonly urlBytes: number;
  /** Of a request's body; more is answered 413. */
  readonly bodyBytes: number;
  /** How long a client may take for a TLS handshake, and for a request's head. */
  readonly headMs: number;
  /** Longest pause in a request's body, and longest time in which a client takes nothing of an answer that waits for it. */
  readonly idleMs: number;
  /** Bytes a second that a request's body must have on average while it is waited for, after the first ten seconds; 0 lets it be as slow as it is. */
  readonly uploadBytesPerSecond: number;
  /** Connections at the same time from one address that is not this machine's. */
  readonly connectionsPerAddress: number;
  /** Whether that limit is for this machine's own addresses too. */
  readonly limitLoopback: boolean;
  /** Requests a second by host name; `*` is for each host that is not named. */
  readonly rates: Readonly<Record<string, Rate>>;
}

export interface Rate {
  readonly perSecond: number;
  /** Requests that may come at once after a pause. */
  readonly burst: number;
}

export const DEFAULT_LIMITS: EdgeLimits = {
  headBytes: 32 * 1024,
  urlBytes: 16 * 1024,
  bodyBytes: Number.POSITIVE_INFINITY,
  headMs: 20_000,
  idleMs: 60_000,
  uploadBytesPerSecond: 0,
  connectionsPerAddress: 512,
  limitLoopback: false,
  rates: {},
};
