import type { DurableObjectNamespace } from "@longshore/contract";
import { invalidScript, notServed } from "../api/errors.js";
import type { MigrationStep, Migrations } from "./upload-metadata.js";

export interface ClassesState {
  readonly namespaces: readonly DurableObjectNamespace[];
  readonly migrationTag?: string;
}

/**
 * The classes of a script after `migrations`. A renamed class keeps its namespace, hence its data.
 * Errors: `INVALID_INPUT` when a step does not fit what is there, or the steps start from another tag.
 */
export function applyMigrations(state: ClassesState, migrations: Migrations | undefined, newId: () => string): ClassesState {
  if (migrations === undefined) return state;
  const oldTag = migrations.old_tag ?? undefined;
  if (oldTag !== undefined && oldTag !== state.migrationTag) {
    throw invalidScript(
      `The migrations start from tag "${oldTag}", but the Worker's last migration is ${state.migrationTag === undefined ? "none" : `"${state.migrationTag}"`}.`,
      { hint: "Another deploy may have come in between: deploy again." },
    );
  }
  const byClass = new Map(state.namespaces.map((each) => [each.className, each]));
  for (const step of migrations.steps ?? []) applyStep(byClass, step, newId);
  const tag = migrations.new_tag ?? state.migrationTag;
  return { namespaces: [...byClass.values()], ...(tag === undefined ? {} : { migrationTag: tag }) };
}

function applyStep(byClass: Map<string, DurableObjectNamespace>, step: MigrationStep, newId: () => string): void {
  const add = (className: string, sqlite: boolean): void => {
    if (byClass.has(className))
      throw invalidScript(`Migration: Durable Object class "${className}" exists already and cannot be created again.`);
    byClass.set(className, { id: newId(), className, sqlite });
  };
  const take = (className: string, verb: string): DurableObjectNamespace => {
    const namespace = byClass.get(className);
    if (namespace === undefined)
      throw invalidScript(`Migration: Durable Object class "${className}" cannot be ${verb}, because it does not exist.`);
    byClass.delete(className);
    return namespace;
  };
  if ((step.transferred_classes ?? []).length > 0) throw notServed("Migration: transferring a Durable Object class from another Worker");
  for (const { from, to } of step.renamed_classes ?? []) {
    if (byClass.has(to)) throw invalidScript(`Migration: "${from}" cannot be renamed to "${to}", because a class of that name exists.`);
    byClass.set(to, { ...take(from, "renamed"), className: to });
  }
  for (const className of step.deleted_classes ?? []) take(className, "deleted");
  for (const className of step.new_sqlite_classes ?? []) add(className, true);
  for (const className of step.new_classes ?? []) add(className, false);
}
