import { inspectCertificates, type Settings } from "@longshore/server";
import type { Check } from "./check.js";

const SOON_MS = 14 * 86_400_000;
const LOOPBACK = /^(127\.|::1$|localhost$)/;

/** What is known of the way from the Internet to the edge, as far as settings and files tell. Nothing here keeps Longshore from starting. */
export function edgeChecks(settings: Settings): Check[] {
  return [...certificateChecks(settings), ...authorityChecks(settings)];
}

function certificateChecks(settings: Settings): Check[] {
  if (settings.tlsCert === undefined && settings.tlsCertificates === undefined) return [];
  const all = inspectCertificates(settings);
  const checks = all.map(({ file, hosts, endsAt, problem }): Check => {
    const left = endsAt - Date.now();
    const found =
      problem?.replace(/\.$/, "") ??
      `for ${hosts.join(", ")}, ${left > 0 ? "until" : "ended on"} ${new Date(endsAt).toISOString().slice(0, 10)}`;
    const fix = problem === undefined ? "Renew it" : "Put a certificate and the key that belongs to it there, both PEM";
    return { name: `certificate ${file}`, ok: problem === undefined && left > SOON_MS, required: false, found, fix };
  });
  if (checks.length > 0) return checks;
  const fix = "Put <name>.crt with <name>.key there, or directories with fullchain.pem and privkey.pem";
  return [{ name: "certificates", ok: false, required: false, found: `none in ${settings.tlsCertificates}`, fix }];
}

/** The authority's question comes from outside, to port 80. */
function authorityChecks({ acme, listen, edgePort, domain }: Settings): Check[] {
  if (acme === undefined) return [];
  const local = LOOPBACK.test(listen);
  return [
    {
      name: "certificates by ACME",
      ok: edgePort === 80 && !local,
      required: false,
      found: `the authority asks on port 80, and the edge is at ${listen}:${edgePort}`,
      fix: "Have port 80 lead there, or use --listen 0.0.0.0 --edge-port 80",
    },
    ...(domain === "localhost"
      ? [
          {
            name: "domain",
            ok: false,
            required: false,
            found: "localhost: no certificates for Workers' own names",
            fix: "Use --domain, and have DNS lead *.<domain> here",
          },
        ]
      : []),
  ];
}
