import type { Deployment, ScriptHead, StoredBinding, StoredVersion } from "./script-head.js";
import { activeVersionId } from "./script-head.js";

/** Not introspected: what clients do with it is print it. */
const HANDLERS = ["fetch"];

/** A binding as the API shows it: never a secret's text. */
export function bindingView(binding: StoredBinding): Record<string, unknown> {
  switch (binding.type) {
    case "secret_text":
      return { type: binding.type, name: binding.name };
    case "kv_namespace":
      return { type: binding.type, name: binding.name, namespace_id: binding.namespaceId };
    case "r2_bucket":
      return { type: binding.type, name: binding.name, bucket_name: binding.bucketName };
    case "d1":
      return { type: binding.type, name: binding.name, id: binding.databaseId, database_id: binding.databaseId };
    case "ratelimit": {
      const { limit, period } = binding;
      return { type: binding.type, name: binding.name, namespace_id: binding.namespaceId, simple: { limit, period } };
    }
    case "queue": {
      const delay = binding.deliveryDelay === undefined ? {} : { delivery_delay: binding.deliveryDelay };
      return { type: binding.type, name: binding.name, queue_name: binding.queueName, ...delay };
    }
    case "secrets_store_secret":
      return { type: binding.type, name: binding.name, store_id: binding.storeId, secret_name: binding.secretName };
    case "durable_object_namespace":
      return { type: binding.type, name: binding.name, class_name: binding.className, namespace_id: binding.namespaceId };
    default:
      return { ...binding };
  }
}

export function secretsView(version: StoredVersion): { name: string; type: string }[] {
  return version.bindings.filter((each) => each.type === "secret_text").map(({ name, type }) => ({ name, type }));
}

export function versionView(version: StoredVersion): Record<string, unknown> {
  return {
    id: version.id,
    number: version.number,
    metadata: {
      created_on: version.createdOn,
      modified_on: version.createdOn,
      source: "wrangler",
      author_id: "",
      author_email: "",
      hasPreview: false,
      has_preview: false,
    },
    annotations: version.annotations,
    resources: {
      bindings: version.bindings.map(bindingView),
      script: { etag: version.etag, handlers: HANDLERS, last_deployed_from: "wrangler" },
      script_runtime: {
        compatibility_date: version.compatibilityDate,
        compatibility_flags: version.compatibilityFlags,
        usage_model: "standard",
        limits: {},
        // A client that deploys without touching containers copies this into its upload: without it the class would lose its container.
        containers: version.containers.map((each) => ({
          class_name: each.className,
          ...(each.name === undefined ? {} : { name: each.name }),
          ...(each.images === undefined ? {} : { images: each.images }),
        })),
      },
    },
  };
}

export function deploymentView(deployment: Deployment): Record<string, unknown> {
  return {
    id: deployment.id,
    source: "wrangler",
    strategy: "percentage",
    author_email: "",
    created_on: deployment.createdOn,
    annotations: deployment.annotations,
    versions: [{ version_id: deployment.versionId, percentage: 100 }],
  };
}

/** A script as lists and `services` show it. */
export function scriptView(head: ScriptHead): Record<string, unknown> {
  return {
    id: head.name,
    tag: head.tag,
    tags: head.settings.tags ?? [],
    created_on: head.createdOn,
    modified_on: head.modifiedOn,
    last_deployed_from: "wrangler",
    handlers: HANDLERS,
    usage_model: "standard",
    has_assets: false,
    has_modules: true,
    logpush: false,
    subdomain: subdomainView(head),
    ...(head.migrationTag === undefined ? {} : { migration_tag: head.migrationTag }),
  };
}

/** What an upload that is deployed at once answers. */
export function uploadView(head: ScriptHead, version: StoredVersion, startupMs: number): Record<string, unknown> {
  return {
    ...scriptView(head),
    etag: version.etag,
    startup_time_ms: startupMs,
    entry_point: version.mainModule,
    // Clients put the hyphens back in and take it for the version's id.
    deployment_id: activeVersionId(head).replaceAll("-", ""),
    pipeline_hash: version.etag,
    mutable_pipeline_id: head.tag,
  };
}

export function settingsView(head: ScriptHead, version: StoredVersion): Record<string, unknown> {
  return {
    ...scriptSettingsView(head),
    bindings: version.bindings.map(bindingView),
    compatibility_date: version.compatibilityDate,
    compatibility_flags: version.compatibilityFlags,
    usage_model: "standard",
    placement: head.settings.placement ?? {},
    ...(head.migrationTag === undefined ? {} : { migration_tag: head.migrationTag }),
  };
}

export function scriptSettingsView(head: ScriptHead): Record<string, unknown> {
  return {
    tags: head.settings.tags ?? [],
    logpush: false,
    tail_consumers: [],
    observability: head.settings.observability ?? { enabled: false },
  };
}

export function schedulesView(head: ScriptHead): Record<string, unknown> {
  const times = { created_on: head.modifiedOn, modified_on: head.modifiedOn };
  return { schedules: (head.crons ?? []).map((cron) => ({ cron, ...times })) };
}

/** The newer clients' view of a Worker. */
export function workerEntityView(head: ScriptHead): Record<string, unknown> {
  return {
    id: head.tag,
    name: head.name,
    created_on: head.createdOn,
    updated_on: head.modifiedOn,
    ...scriptSettingsView(head),
    references: {},
    subdomain: subdomainView(head),
  };
}

export function subdomainView(head: ScriptHead): Record<string, unknown> {
  return { enabled: head.subdomain.enabled, previews_enabled: head.subdomain.previewsEnabled };
}
