import { request } from "node:http";
import type { Socket } from "node:net";
import { LongshoreError } from "@longshore/contract";
import { isLoopbackHost } from "./reference.js";

type Environment = Readonly<Record<string, string>>;

/** The HTTP proxy for TLS connections to a host, by the usual variables; `undefined` for none. */
export function proxyFor(hostname: string, port: number, environment: Environment): URL | undefined {
  const proxy = environment.HTTPS_PROXY || environment.https_proxy;
  if (proxy === undefined || proxy === "" || isLoopbackHost(hostname)) return undefined;
  const exempt = (environment.NO_PROXY || environment.no_proxy || "").split(",").map((word) => word.trim().toLowerCase());
  if (exempt.some((word) => word !== "" && isExempt(word, hostname.toLowerCase(), port))) return undefined;
  return new URL(proxy.includes("://") ? proxy : `http://${proxy}`);
}

/** `*`, `example.com` and `.example.com` (with all below them), each with an optional port. */
function isExempt(word: string, hostname: string, port: number): boolean {
  if (word === "*") return true;
  const [name = "", onlyPort] = word.split(":");
  if (onlyPort !== undefined && Number(onlyPort) !== port) return false;
  const bare = name.replace(/^\*?\./, "");
  return hostname === bare || hostname.endsWith(`.${bare}`);
}

/** A connection to `target` (`host:port`) through the proxy. Errors: `UNAVAILABLE` when the proxy refuses; Node's own when it is not there. */
export function tunnel(proxy: URL, target: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const user = decodeURIComponent(proxy.username);
    const credentials = Buffer.from(`${user}:${decodeURIComponent(proxy.password)}`).toString("base64");
    const connect = request({
      hostname: proxy.hostname,
      port: proxy.port || 80,
      method: "CONNECT",
      path: target,
      headers: { host: target, ...(user === "" ? {} : { "proxy-authorization": `Basic ${credentials}` }) },
      agent: false,
      signal,
    });
    connect.on("error", reject);
    connect.on("connect", (response, socket) => {
      if (response.statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(new LongshoreError("UNAVAILABLE", `The proxy ${proxy.host} refused to connect to ${target} (HTTP ${response.statusCode}).`));
      }
    });
    connect.end();
  });
}
