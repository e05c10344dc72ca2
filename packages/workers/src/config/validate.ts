import { LongshoreError, type WorkerTarget } from "@longshore/contract";

/** workerd accepts compatibility dates up to a week after the date in its version. */
const DAYS_AHEAD = 7;

/**
 * Refuses what workerd would drop silently, crash on, or misread. What workerd itself refuses with a clear message is left to it.
 * @param workerdVersion the date that `workerd --version` prints, `2026-11-17`
 * Errors: `INVALID_INPUT`, `UNSUPPORTED`.
 */
export function validateTarget(target: WorkerTarget, workerdVersion: string): void {
  validateScriptName(target.script);
  validateCompatibilityDate(target, workerdVersion);
  validateModules(target);
  validateNamespaces(target);
  validateBindings(target);
  validateCrons(target);
}

/** A script's name is a directory, a host label and a service name. */
export function validateScriptName(script: string): void {
  if (/^[a-z0-9][a-z0-9_-]{0,62}$/.test(script)) return;
  throw invalid(
    script,
    `${JSON.stringify(script)} cannot be a Worker's name.`,
    "Use up to 63 of a-z, 0-9, - and _, beginning with a letter or digit.",
  );
}

function validateCompatibilityDate({ script, version }: WorkerTarget, workerdVersion: string): void {
  const date = version.compatibilityDate;
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(Date.parse(date))) {
    throw invalid(script, `Its compatibility_date ${JSON.stringify(date)} is not a date.`, "Write it as YYYY-MM-DD.");
  }
  const newest = new Date(Date.parse(workerdVersion) + DAYS_AHEAD * 86_400_000).toISOString().slice(0, 10);
  if (date > newest) {
    throw invalid(
      script,
      `Its compatibility_date is ${date}, but the newest that the installed workerd (${workerdVersion}) knows is ${newest}.`,
      `Set compatibility_date to ${newest} or earlier, or update Longshore.`,
    );
  }
}

function validateModules({ script, version }: WorkerTarget): void {
  if (version.modules.length === 0 && version.assets !== undefined) return;
  const names = new Set<string>();
  for (const { name } of version.modules) {
    // workerd answers these names with a stack trace instead of a message.
    if (name === "" || name.startsWith("/") || name.includes("\0") || !isWellFormed(name)) {
      throw invalid(script, `A module cannot be named ${JSON.stringify(name)}.`, "Module names are relative paths.");
    }
    if (names.has(name)) throw invalid(script, `It has two modules named ${JSON.stringify(name)}.`, "Give each module a name of its own.");
    names.add(name);
  }
  const main = version.modules.find((module) => module.name === version.mainModule);
  if (main === undefined) {
    throw invalid(
      script,
      `Its main module ${JSON.stringify(version.mainModule)} is not among the uploaded modules.`,
      "Upload it with the others.",
    );
  }
  if (main.kind !== "esModule") {
    throw invalid(
      script,
      `Its main module ${JSON.stringify(main.name)} is not an ES module.`,
      "Export the handlers with `export default`.",
    );
  }
}

function validateNamespaces({ script, version, namespaces, engineSocket }: WorkerTarget): void {
  const ids = new Set<string>();
  const classes = new Set<string>();
  for (const { id, className } of namespaces) {
    if (!/^[0-9a-f]{32}$/.test(id)) throw invalid(script, `The Durable Object namespace id ${JSON.stringify(id)} is not 32 hex digits.`);
    if (ids.has(id) || classes.has(className))
      throw invalid(script, `The Durable Object class ${JSON.stringify(className)} is declared twice.`);
    ids.add(id);
    classes.add(className);
  }
  for (const { className } of version.containers) {
    if (!classes.has(className)) {
      throw invalid(
        script,
        `A container belongs to the class ${JSON.stringify(className)}, which is not a Durable Object class of this Worker.`,
        "Add it to new_sqlite_classes in a migration.",
      );
    }
  }
  if (version.containers.length > 0 && engineSocket === undefined) {
    throw new LongshoreError("UNSUPPORTED", `The Worker "${script}" has containers, but no container engine runs here.`, {
      hint: "Start Longshore with its engine, or deploy without containers.",
    });
  }
}

function validateCrons({ script, version, crons = [] }: WorkerTarget): void {
  if (crons.length > 0 && version.modules.length === 0) {
    throw invalid(script, "It has cron triggers and no code that they could run.", "Name its main module, or take the triggers out.");
  }
}

function validateBindings({ script, version, namespaces }: WorkerTarget): void {
  const names = new Set<string>();
  for (const binding of version.bindings) {
    const name = JSON.stringify(binding.name);
    // Set on a plain object by workerd, it would change env's prototype and vanish.
    if (binding.name === "__proto__" || !isWellFormed(binding.name))
      throw invalid(script, `A binding cannot be named ${name}.`, "Rename it.");
    if (names.has(binding.name)) throw invalid(script, `It has two bindings named ${name}.`, "Rename one of them.");
    names.add(binding.name);
    if ((binding.type === "plain_text" || binding.type === "secret_text") && !isWellFormed(binding.text)) {
      throw invalid(
        script,
        `The value of the binding ${name} has half of a surrogate pair, which UTF-8 cannot carry.`,
        "Encode it, as base64 for example.",
      );
    }
    if (binding.type === "d1" && version.compatibilityFlags.includes("d1_binding_jsrpc")) {
      const hint = "Take the flag out; the database works without it.";
      throw new LongshoreError("UNSUPPORTED", `The Worker "${script}" has the flag d1_binding_jsrpc, which D1 is not served with here.`, {
        hint,
      });
    }
    if (binding.type === "r2_bucket" && !/^[a-z0-9-]{3,63}$/.test(binding.bucketName)) {
      throw invalid(script, `The binding ${name} is to ${JSON.stringify(binding.bucketName)}, which cannot be a bucket's name.`);
    }
    if (binding.type === "assets" && version.assets === undefined) {
      throw invalid(script, `The binding ${name} is to static assets, of which it has none.`, "Name their directory under `assets`.");
    }
    if (binding.type === "durable_object_namespace" && !namespaces.some((namespace) => namespace.id === binding.namespaceId)) {
      throw new LongshoreError(
        "UNSUPPORTED",
        `The binding ${name} of the Worker "${script}" names a Durable Object class of another Worker.`,
        {
          hint: "Bind a class that this Worker exports; bindings across Workers are not served yet.",
        },
      );
    }
  }
}

function isWellFormed(value: string): boolean {
  return Buffer.from(value, "utf8").toString("utf8") === value;
}

function invalid(script: string, what: string, hint?: string): LongshoreError {
  return new LongshoreError("INVALID_INPUT", `The Worker "${script}" cannot be served. ${what}`, hint === undefined ? {} : { hint });
}
