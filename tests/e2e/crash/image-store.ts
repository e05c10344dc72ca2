import { createHash } from "node:crypto";
import type { Api } from "./api.js";
import { LARGE, REQUEST_DEADLINE_MS, type Store } from "./store.js";
import { valueFor, writeOf } from "./values.js";

export class ImageStore implements Store {
  readonly name = "images";
  readonly places = 3;

  constructor(readonly api: Api) {}

  async write(place: string, n: number): Promise<void> {
    const layer = await this.#push(valueFor(n, LARGE));
    const config = await this.#push(
      JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [layer.digest] }, n }),
    );
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPE,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }],
    });
    await this.#request("PUT", `manifests/t${place}`, manifest, TYPE);
  }

  async read(place: string): Promise<number | undefined> {
    const found = await this.#request("GET", `manifests/t${place}`);
    if (found.status === 404) return undefined;
    const manifest = (await found.json()) as { layers: [{ digest: string }] };
    const { digest } = manifest.layers[0];
    const text = await (await this.#request("GET", `blobs/${digest}`)).text();
    if (digestOf(text) !== digest) throw new Error(`The blob ${digest} has other bytes.`);
    return writeOf(text);
  }

  async #push(content: string): Promise<{ digest: string; size: number }> {
    const digest = digestOf(content);
    const begun = await this.#request("POST", "blobs/uploads/");
    const place = new URL(begun.headers.get("location") ?? "", this.#base);
    place.searchParams.set("digest", digest);
    await this.#request("PUT", place.href, content);
    return { digest, size: content.length };
  }

  get #base(): string {
    const { registryHost, accountId } = this.api.platform.presence;
    return `http://${registryHost}/v2/${accountId}/crash/`;
  }

  async #request(method: string, path: string, body?: string, type = "application/octet-stream"): Promise<Response> {
    const authorization = `Basic ${Buffer.from(`v1:${this.api.platform.presence.token}`).toString("base64")}`;
    const response = await fetch(new URL(path, this.#base), {
      method,
      headers: { authorization, "content-type": type, accept: TYPE },
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
      ...(body === undefined ? {} : { body }),
    });
    if (response.ok || (response.status === 404 && method === "GET")) return response;
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  }
}

const TYPE = "application/vnd.oci.image.manifest.v1+json";

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
