import { DEFAULT_LIMITS, type EdgeLimits, type Rate } from "@longshore/edge/limits";
import { z } from "zod";

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;

/** `<requests a second>` or `<requests a second>:<burst>`. */
const rate = z
  .union([z.number().transform(String), z.string()])
  .pipe(
    z
      .string()
      .regex(/^(?!0+(\.0+)?(:|$))\d{1,9}(\.\d{1,3})?(:[1-9]\d{0,8})?$/, "must be requests a second, as 100, or with a burst, as 100:300"),
  );

const DIRECTORIES: Readonly<Record<string, string>> = {
  letsencrypt: "https://acme-v02.api.letsencrypt.org/directory",
  "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
};

/** What an operator can set of the edge. */
export const edgeSettings = {
  /** HTTPS; listened on once there is a way to a certificate. 0 takes any free one. */
  tlsPort: z.number().int().min(0).max(65_535).default(8443),
  /** A certificate with its chain, and its private key: PEM files. */
  tlsCert: z.string().min(1).optional(),
  tlsKey: z.string().min(1).optional(),
  /** A directory of more such pairs. */
  tlsCertificates: z.string().min(1).optional(),
  /** The certificate authority that is asked for certificates: `letsencrypt`, `letsencrypt-staging`, or the URL of another's ACME directory. */
  acme: z.union([z.enum(["letsencrypt", "letsencrypt-staging"]), z.url({ protocol: /^https$/ })]).optional(),
  acmeEmail: z.email().optional(),
  /** Certificate of that authority's own server, a PEM file, where no usual one has signed it. */
  acmeCa: z.string().min(1).optional(),
  /** What becomes of plain requests for a host that has a certificate. */
  http: z.enum(["serve", "redirect"]).default("serve"),
  /** Of a request's body, in MiB; 0: any. */
  maxBody: z.number().int().min(0).default(0),
  /** Of a request's line and headers, in KiB. */
  maxHead: z
    .number()
    .int()
    .min(4)
    .max(1024)
    .default(DEFAULT_LIMITS.headBytes / KIB),
  /** Of its path and query, in KiB. */
  maxUrl: z
    .number()
    .int()
    .min(1)
    .max(1024)
    .default(DEFAULT_LIMITS.urlBytes / KIB),
  /** Connections at the same time from one address. */
  maxConnections: z.number().int().min(1).default(DEFAULT_LIMITS.connectionsPerAddress),
  /** How long a client may pause in the middle of a body, or take nothing of its answer, in seconds. */
  clientTimeout: z
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(DEFAULT_LIMITS.idleMs / SECOND_MS),
  /** Least speed of a body that is waited for, in bytes a second; 0: any. */
  minUploadRate: z.number().int().min(0).default(DEFAULT_LIMITS.uploadBytesPerSecond),
  /** Requests a second by host name; `*` is for each host that is not named. */
  rateLimits: z.record(z.string().min(1), rate).default({}),
};

const edgeSchema = z.object(edgeSettings);
export type EdgeSettings = z.infer<typeof edgeSchema>;

export function edgeLimits({
  maxBody,
  maxHead,
  maxUrl,
  maxConnections,
  clientTimeout,
  minUploadRate,
  rateLimits,
}: EdgeSettings): EdgeLimits {
  return {
    ...DEFAULT_LIMITS,
    headBytes: maxHead * KIB,
    urlBytes: maxUrl * KIB,
    bodyBytes: maxBody === 0 ? Number.POSITIVE_INFINITY : maxBody * MIB,
    connectionsPerAddress: maxConnections,
    idleMs: clientTimeout * SECOND_MS,
    uploadBytesPerSecond: minUploadRate,
    rates: Object.fromEntries(Object.entries(rateLimits).map(([host, text]) => [host.toLowerCase(), rateFrom(text)])),
  };
}

/** Whether HTTPS is served. */
export function hasTls({ tlsCert, tlsCertificates, acme }: EdgeSettings): boolean {
  return tlsCert !== undefined || tlsCertificates !== undefined || acme !== undefined;
}

/** URL of the authority's ACME directory. */
export function acmeDirectory(acme: string): string {
  return DIRECTORIES[acme] ?? acme;
}

/** Without a burst, that of one second. */
function rateFrom(text: string): Rate {
  const [perSecond = "1", burst] = text.split(":");
  return { perSecond: Number(perSecond), burst: burst === undefined ? Math.max(1, Math.ceil(Number(perSecond))) : Number(burst) };
}
