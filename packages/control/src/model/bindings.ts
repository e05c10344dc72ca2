import type { DurableObjectNamespace, WorkerBinding } from "@longshore/contract";
import { z } from "zod";
import { invalidScript, notServed } from "../api/errors.js";
import type { StoredBinding } from "./script-head.js";
import { assertUnique, type UploadedBinding } from "./upload-metadata.js";

export interface BindingsInput {
  readonly script: string;
  readonly uploaded: readonly UploadedBinding[];
  /** What the running version has. */
  readonly previous: readonly StoredBinding[];
  /** Types whose bindings stay although the upload does not name them. */
  readonly keepTypes: readonly string[];
  /** The script's classes after the upload's migrations. */
  readonly namespaces: readonly DurableObjectNamespace[];
  /** Ids of the account's queues by name. */
  readonly queues: ReadonlyMap<string, string>;
  /** Encrypts a secret's text. */
  readonly seal: (name: string, text: string) => string;
}

/**
 * The bindings of a new version. Secrets are kept unless something of the same name takes their place.
 * Errors: `INVALID_INPUT`, `UNSUPPORTED` that names the binding and its kind.
 */
export function resolveBindings(input: BindingsInput): StoredBinding[] {
  assertUnique(
    input.uploaded.map((each) => each.name),
    (name) => `Two bindings have the name "${name}".`,
  );
  const named = new Set(input.uploaded.map((each) => each.name));
  const kept = input.previous.filter((each) => input.keepTypes.includes(each.type) && !named.has(each.name));
  const resolved = input.uploaded.map((each) => resolveBinding(each, input));
  return [...resolved, ...kept.map((each) => rebind(each, input))];
}

/** What runs for a stored binding once its secret is open. */
export function openBindings(stored: readonly StoredBinding[], open: (name: string, sealed: string) => string): WorkerBinding[] {
  return stored.map((each) =>
    each.type === "secret_text" ? { type: each.type, name: each.name, text: open(each.name, each.sealed) } : each,
  );
}

const MOST_DELAY_S = 86_400;

/** Bindings that are all said with their name. */
const VALUELESS: ReadonlySet<string> = new Set(["version_metadata", "assets"]);

/** The version of an uploaded binding that may leave out its value to mean "as it is". */
export function inheritWhereEmpty(binding: UploadedBinding): UploadedBinding {
  const keys = Object.keys(binding).filter((key) => key !== "name" && key !== "type");
  return keys.length === 0 && !VALUELESS.has(binding.type) ? { name: binding.name, type: "inherit" } : binding;
}

function resolveBinding(binding: UploadedBinding, input: BindingsInput): StoredBinding {
  const { name } = binding;
  switch (binding.type) {
    case "plain_text":
      return { type: "plain_text", name, text: text(binding, "text") };
    case "secret_text":
      return { type: "secret_text", name, sealed: input.seal(name, text(binding, "text")) };
    case "json":
      if (!("json" in binding)) throw invalidScript(`Binding "${name}" (json) has no "json".`);
      return { type: "json", name, json: binding.json };
    case "version_metadata":
    case "assets":
      return { type: binding.type, name };
    case "kv_namespace":
      return { type: "kv_namespace", name, namespaceId: text(binding, "namespace_id") };
    case "d1":
      return { type: "d1", name, databaseId: text(binding, "id") };
    case "ratelimit":
      return rateLimit(binding);
    case "queue":
      return queue(binding, input);
    case "secrets_store_secret":
      return { type: "secrets_store_secret", name, storeId: text(binding, "store_id"), secretName: text(binding, "secret_name") };
    case "r2_bucket":
      if (!isDefault(binding.jurisdiction))
        throw notServed(`Binding "${name}" (r2_bucket) in a jurisdiction`, "Leave the jurisdiction out.");
      return { type: "r2_bucket", name, bucketName: text(binding, "bucket_name") };
    case "service":
      return service(binding);
    case "durable_object_namespace":
      return durableObject(binding, input);
    case "inherit":
      return inherited(binding, input);
    default:
      throw notServed(
        `Binding "${name}" (${binding.type})`,
        "Take it out of the configuration file and deploy again. Nothing has been changed.",
      );
  }
}

function isDefault(jurisdiction: unknown): boolean {
  return jurisdiction === undefined || jurisdiction === null || jurisdiction === "default";
}

function rateLimit(binding: UploadedBinding): StoredBinding {
  const said = z
    .object({
      namespace_id: z.string().min(1),
      simple: z.object({ limit: z.number().int().min(1), period: z.union([z.literal(10), z.literal(60)]) }),
    })
    .safeParse(binding);
  if (!said.success) {
    throw invalidScript(
      `Binding "${binding.name}" (ratelimit) needs a namespace_id, and a simple limit with a period of 10 or 60 seconds.`,
    );
  }
  const { namespace_id, simple } = said.data;
  return { type: "ratelimit", name: binding.name, namespaceId: namespace_id, ...simple };
}

function queue(binding: UploadedBinding, { queues }: BindingsInput): StoredBinding {
  const { name, delivery_delay: delay } = binding;
  const queueName = text(binding, "queue_name");
  const queueId = queues.get(queueName);
  if (queueId === undefined) {
    throw invalidScript(`Binding "${name}" (queue) cannot be served: there is no queue "${queueName}".`, {
      hint: `Create it: \`wrangler queues create ${queueName}\`.`,
    });
  }
  if (delay !== undefined && delay !== null && !(Number.isSafeInteger(delay) && Number(delay) >= 0 && Number(delay) <= MOST_DELAY_S)) {
    throw invalidScript(`Binding "${name}" (queue) has a delivery_delay that is not 0 to ${MOST_DELAY_S} seconds.`);
  }
  return { type: "queue", name, queueId, queueName, ...(typeof delay === "number" ? { deliveryDelay: delay } : {}) };
}

function service(binding: UploadedBinding): StoredBinding {
  const { name, entrypoint, environment, props } = binding;
  if (typeof environment === "string" && environment !== "production") {
    throw notServed(
      `Binding "${name}" (service) to the environment "${environment}" of a Worker`,
      "Name the Worker that the environment is.",
    );
  }
  return {
    type: "service",
    name,
    service: text(binding, "service"),
    ...(typeof entrypoint === "string" ? { entrypoint } : {}),
    ...(props === undefined || props === null ? {} : { props }),
  };
}

function inherited(binding: UploadedBinding, input: BindingsInput): StoredBinding {
  const old = typeof binding.old_name === "string" ? binding.old_name : binding.name;
  const previous = input.previous.find((each) => each.name === old);
  if (previous === undefined) {
    throw invalidScript(`Binding "${binding.name}" is to stay as it is, but the running version has no binding "${old}".`, {
      hint: "Give its value in the configuration file, or take it out.",
    });
  }
  return rebind({ ...previous, name: binding.name }, input, previous.name);
}

function durableObject(binding: UploadedBinding, input: BindingsInput): StoredBinding {
  const className = text(binding, "class_name");
  const owner = binding.script_name;
  if (typeof owner === "string" && owner !== input.script) {
    throw notServed(`Binding "${binding.name}" (durable_object_namespace) to class "${className}" of another Worker ("${owner}")`);
  }
  const namespace = input.namespaces.find((each) => each.className === className);
  if (namespace === undefined) {
    throw invalidScript(
      `Binding "${binding.name}" names the Durable Object class "${className}", which Worker "${input.script}" does not have.`,
      {
        hint: `Add a migration with new_sqlite_classes: ["${className}"] to the configuration file.`,
      },
    );
  }
  return { type: "durable_object_namespace", name: binding.name, className, namespaceId: namespace.id };
}

/**
 * A kept binding, with its class looked up again (it may have been renamed or deleted), its secret sealed for its new name, and in place of a queue that
 * is deleted one that has its name now.
 */
function rebind(binding: StoredBinding, input: BindingsInput, sealedAs = binding.name): StoredBinding {
  if (binding.type === "secret_text" && sealedAs !== binding.name) {
    throw invalidScript(`Secret "${sealedAs}" cannot take the name "${binding.name}".`, {
      hint: "Put the secret again under the new name.",
    });
  }
  if (binding.type === "queue" && ![...input.queues.values()].includes(binding.queueId)) {
    return { ...binding, queueId: input.queues.get(binding.queueName) ?? binding.queueId };
  }
  if (binding.type !== "durable_object_namespace") return binding;
  const namespace = input.namespaces.find((each) => each.id === binding.namespaceId);
  if (namespace === undefined) {
    throw invalidScript(`Binding "${binding.name}" is to the Durable Object class "${binding.className}", which is deleted.`, {
      hint: "Take the binding out of the configuration file.",
    });
  }
  return { ...binding, className: namespace.className };
}

function text(binding: UploadedBinding, key: string): string {
  const value = binding[key];
  if (typeof value !== "string") throw invalidScript(`Binding "${binding.name}" (${binding.type}) has no "${key}".`);
  return value;
}
