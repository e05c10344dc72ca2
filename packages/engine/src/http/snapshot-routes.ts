import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import type { ContainerEngine } from "../engine.js";
import { packDirectory } from "../snapshot/archive.js";
import type { RestoreRequest } from "../snapshot/restore-request.js";
import { usedBy } from "../snapshot/snapshots.js";
import { HELPER_ID, helperBody, type VolumeView } from "../snapshot/volumes.js";
import type { TenantHost } from "../tenant/tenant-host.js";
import { type Exchange, parseJson, type Route } from "./router.js";

const volumeBody = z.object({ Name: z.string(), Labels: z.record(z.string(), z.string()).nullish() });
const filters = z.object({ name: z.array(z.string()).optional() });
const restoreBody = z.object({
  Image: z.string().nullish(),
  HostConfig: z
    .object({ Mounts: z.array(z.object({ Type: z.literal("volume"), Source: z.string(), Target: z.string() })).nullish() })
    .nullish(),
});

/**
 * The part of the Docker Engine API that workerd saves and restores with: archives, volumes, commits, images of its own. These routes come before
 * those of containers: helper containers for volumes are answered here.
 */
export function snapshotRoutes(engine: ContainerEngine, tenant: TenantHost): Route[] {
  return [...volumeRoutes(engine, tenant), ...helperRoutes(engine, tenant), ...saveRoutes(engine, tenant)];
}

/** What a create asks to start from; `undefined` for the class's image alone. Errors: `INVALID_INPUT`, `NOT_FOUND`. */
export function restoreRequest(engine: ContainerEngine, tenant: TenantHost, body: unknown): RestoreRequest | undefined {
  const { Image, HostConfig } = checked(restoreBody, body, "The container cannot be created");
  const { snapshots } = engine.parts;
  const container = snapshots.store.find(tenant.config.id, Image ?? "")?.kind === "container" ? Image : undefined;
  const directories = (HostConfig?.Mounts ?? []).map(({ Source, Target }) => ({
    snapshot: snapshots.volumes(tenant.config.id).snapshotBehind(Source),
    target: Target,
  }));
  if (container != null) return { container, directories };
  // workerd names the class's own image by the namespace (workers' configuration says so).
  const own = Image == null || tenant.config.classes.some(({ namespaceId }) => namespaceId === Image);
  if (own) return directories.length === 0 ? undefined : { directories };
  return { image: Image, directories };
}

/** Makes the helper container that a create without a name asks for; returns its id. Errors: `INVALID_INPUT`, `UNSUPPORTED`. */
export function createHelper(engine: ContainerEngine, tenant: TenantHost, body: unknown): string {
  const request = checked(helperBody, body, "The container cannot be created");
  return engine.parts.snapshots.volumes(tenant.config.id).createHelper(request);
}

function volumeRoutes({ parts: { snapshots } }: ContainerEngine, tenant: TenantHost): Route[] {
  const volumes = () => snapshots.volumes(tenant.config.id);
  const isUsed = (snapshot: string) =>
    [...tenant.containers.values()].some(({ live, record }) => live && usedBy(record).includes(snapshot));
  return [
    {
      method: "GET",
      path: /^\/volumes$/,
      handle: ({ query }) => {
        const { name } = checked(filters, parseJson(query.get("filters") || "{}"), "The filters are wrong");
        const shown = volumes()
          .list()
          .filter((volume) => name === undefined || name.some((part) => volume.name.includes(part)));
        return { status: 200, body: { Volumes: shown.map(volumeView), Warnings: [] } };
      },
    },
    {
      method: "POST",
      path: /^\/volumes\/create$/,
      handle: async ({ body }) => {
        const { Name, Labels } = checked(volumeBody, await body(), "The volume cannot be created");
        return { status: 201, body: volumeView(volumes().create(Name, Labels ?? {})) };
      },
    },
    {
      method: "GET",
      path: /^\/volumes\/([^/]+)$/,
      handle: ({ parameters: [name = ""] }) => {
        const volume = volumes().find(name);
        if (volume === undefined) throw new LongshoreError("NOT_FOUND", `There is no volume ${name}.`);
        return { status: 200, body: volumeView(volume) };
      },
    },
    {
      method: "DELETE",
      path: /^\/volumes\/([^/]+)$/,
      handle: async ({ parameters: [name = ""] }) => {
        if (!(await volumes().remove(name, isUsed))) throw new LongshoreError("NOT_FOUND", `There is no volume ${name}.`);
        return { status: 204 };
      },
    },
  ];
}

function helperRoutes({ parts: { snapshots } }: ContainerEngine, tenant: TenantHost): Route[] {
  const path = (rest: string) => new RegExp(`^/containers/${HELPER_ID}${rest}$`);
  const volumes = () => snapshots.volumes(tenant.config.id);
  const absent = (id: string) => new LongshoreError("NOT_FOUND", `There is no container ${id}.`);
  return [
    {
      method: "PUT",
      path: path("/archive"),
      handle: async ({ parameters: [id = ""], query, request }) => {
        await volumes().putArchive(id, query.get("path") ?? "", request);
        return { status: 200 };
      },
    },
    {
      method: "POST",
      path: path("/start"),
      handle: ({ parameters: [id = ""] }) => {
        volumes().start(id);
        return { status: 204 };
      },
    },
    {
      method: "POST",
      path: path("/wait"),
      handle: ({ parameters: [id = ""] }) => {
        // Its work was done when start was answered.
        if (!volumes().has(id)) throw absent(id);
        return { status: 200, body: { StatusCode: 0 } };
      },
    },
    {
      method: "DELETE",
      path: path(""),
      handle: ({ parameters: [id = ""] }) => {
        if (!volumes().removeHelper(id)) throw absent(id);
        return { status: 204 };
      },
    },
  ];
}

function saveRoutes(engine: ContainerEngine, tenant: TenantHost): Route[] {
  const { snapshots } = engine.parts;
  return [
    { method: "GET", path: /^\/containers\/([^/]+)\/archive$/, handle: (exchange) => sendDirectory(tenant, exchange) },
    {
      method: "POST",
      path: /^\/commit$/,
      handle: async ({ query }) => {
        const instance = tenant.containers.get(query.get("container") ?? "");
        if (instance === undefined) throw new LongshoreError("NOT_FOUND", `There is no container ${query.get("container")}.`);
        const snapshot = await snapshots.saveContainer(instance, query.get("repo") ?? "");
        return { status: 201, body: { Id: snapshot.name } };
      },
    },
    {
      method: "GET",
      path: /^\/images\/(.+)\/json$/,
      handle: async ({ parameters: [reference = ""] }) => ({ status: 200, body: await inspectImage(engine, tenant, reference) }),
    },
    {
      method: "DELETE",
      path: /^\/images\/(.+)$/,
      handle: async ({ parameters: [reference = ""] }) => {
        if (snapshots.store.find(tenant.config.id, reference)?.kind !== "container") throw noSuchImage(reference);
        const used = [...tenant.containers.values()].some(({ live, record }) => live && usedBy(record).includes(reference));
        if (used) throw new LongshoreError("CONFLICT", `The image ${reference} is used by a container.`);
        await snapshots.store.remove(tenant.config.id, reference);
        return { status: 200, body: [{ Deleted: reference }] };
      },
    },
  ];
}

async function sendDirectory(tenant: TenantHost, { parameters: [name = ""], query, response }: Exchange) {
  const instance = tenant.containers.get(name);
  if (instance?.live !== true) throw new LongshoreError("NOT_FOUND", `There is no running container ${name}.`);
  const path = query.get("path") ?? "";
  if (!/\/\.?$/.test(path))
    throw new LongshoreError("UNSUPPORTED", `Only the contents of a directory can be read ("<directory>/."), not ${path}.`);
  const archive = packDirectory(instance.record.process.pid, path);
  response.writeHead(200, { "content-type": "application/x-tar" });
  archive.stream.pipe(response, { end: false });
  // Only an archive that tar calls complete ends as one; the router breaks the connection for any other.
  await archive.ended;
  await new Promise<void>((resolve) => response.end(resolve));
  return { status: 200 };
}

/** workerd compares ids, and follows `Parent` from a snapshot until it meets the class's image. */
async function inspectImage({ parts }: ContainerEngine, tenant: TenantHost, reference: string): Promise<Record<string, unknown>> {
  const snapshot = parts.snapshots.store.find(tenant.config.id, reference);
  if (snapshot?.kind === "container") return { Id: snapshot.name, Parent: snapshot.imageDigest ?? "", Size: snapshot.sizeBytes };
  const containerClass = tenant.config.classes.find(({ namespaceId, image }) => namespaceId === reference || image === reference);
  const image = containerClass === undefined ? parts.images.prepared(reference) : await parts.images.prepare(containerClass.image);
  if (image === undefined) throw noSuchImage(reference);
  return { Id: image.digest, Parent: "", Size: image.sizeBytes };
}

function noSuchImage(reference: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", `There is no image ${reference}.`);
}

function volumeView({ name, labels, createdAt }: VolumeView): Record<string, unknown> {
  return { Name: name, Driver: "local", Mountpoint: "", Labels: labels, Scope: "local", CreatedAt: createdAt, Options: {} };
}

function checked<T>(schema: z.ZodType<T>, body: unknown, failing: string): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new LongshoreError("INVALID_INPUT", `${failing}: ${z.prettifyError(parsed.error)}`, { cause: parsed.error });
}
