import type { IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import type { Route } from "../http/router.js";
import type { Instance } from "../instance/instance.js";
import { rootIdOf } from "../sys/user-namespace.js";
import type { CertificateAuthority } from "./certificate-authority.js";
import { CERTIFICATE_PATH, installCertificate } from "./container-trust.js";

/** The directory that workerd puts its archive into, and the one name in it. */
const TARGET = "/etc";
const NAME = CERTIFICATE_PATH.slice(TARGET.length + 1);
const TAR_NAME_BYTES = 100;
const MAX_ARCHIVE_BYTES = 1024 * 1024;

/**
 * `PUT /containers/<name>/archive?path=/etc` with the certificate of the container's authority, which workerd sends when HTTPS is intercepted. The
 * engine knows the certificate, so the archive is only looked at to tell that it is this one; any other is left to `next`.
 */
export function certificateRoute(authority: CertificateAuthority, find: (name: string) => Instance, next: Route["handle"]): Route {
  return {
    method: "PUT",
    path: /^\/containers\/([A-Za-z0-9][A-Za-z0-9_.-]*)\/archive$/,
    handle: async (exchange) => {
      const { request, parameters, query } = exchange;
      if (query.get("path") !== TARGET || !isSmall(request)) return await next(exchange);
      const archive = await buffer(request);
      if (nameIn(archive) !== NAME) return await next(exchange);
      trustAuthority(find(parameters[0] ?? ""), authority);
      return { status: 200 };
    },
  };
}

/** Has what runs in the container trust the authority of its application. */
export function trustAuthority(instance: Instance, authority: CertificateAuthority): void {
  const { pid } = instance.record.process;
  instance.addVariables(installCertificate(`/proc/${pid}/root`, authority, rootIdOf(pid)));
}

function isSmall(request: IncomingMessage): boolean {
  const length = Number(request.headers["content-length"] ?? Number.NaN);
  return length <= MAX_ARCHIVE_BYTES;
}

function nameIn(archive: Buffer): string {
  const name = archive.subarray(0, TAR_NAME_BYTES).toString("latin1");
  return name.slice(0, name.indexOf("\0"));
}
