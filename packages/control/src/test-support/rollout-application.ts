import assert from "node:assert/strict";
import type { ContainerClass } from "@longshore/contract";
import { ACCOUNT, type Answer, containerForm, type Harness, REGISTRY } from "./harness.js";
import { until } from "./recording.js";

export const ONE = `${REGISTRY}/${ACCOUNT}/app:one`;
export const TWO = `${REGISTRY}/${ACCOUNT}/app:two`;

/** An application on image {@link ONE}, and what a client does with its rollouts. */
export class RolloutApplication {
  readonly id: string;
  readonly #harness: Harness;
  readonly #script: string;

  /** With a Worker of the same name. */
  static async create(harness: Harness, script: string): Promise<RolloutApplication> {
    const { result } = await createApplication(harness, script, script);
    return new RolloutApplication(harness, script, result.id);
  }

  constructor(harness: Harness, script: string, id: string) {
    this.#harness = harness;
    this.#script = script;
    this.id = id;
  }

  /** As the engine knows it. */
  get tenantClass(): ContainerClass {
    return this.#harness.engine.tenants.get(this.#script)?.classes[0] ?? assert.fail("no class");
  }

  /** Begins a rollout to image {@link TWO}, in one step where `changes` name none. */
  roll(changes: Record<string, unknown> = {}): Promise<Answer> {
    return this.#harness.call("POST", `containers/applications/${this.id}/rollouts`, {
      description: "Progressive update",
      strategy: "rolling",
      target_configuration: { image: TWO },
      kind: "full_auto",
      ...changes,
    });
  }

  // biome-ignore lint/suspicious/noExplicitAny: looked at field by field
  async rollout(id: string): Promise<any> {
    return (await this.#harness.call("GET", `containers/applications/${this.id}/rollouts/${id}`)).result;
  }

  steer(id: string, action: "next" | "previous" | "revert"): Promise<Answer> {
    return this.#harness.call("POST", `containers/applications/${this.id}/rollouts/${id}`, { action });
  }

  reaches(id: string, status: string): Promise<void> {
    return until(async () => (await this.rollout(id)).status === status);
  }
}

/** Asks for an application of a Worker, which is deployed where it is not there. */
export async function createApplication(
  harness: Harness,
  name: string,
  script: string,
  changes: Record<string, unknown> = {},
): Promise<Answer> {
  if ((await harness.call("GET", `workers/services/${script}`)).status === 404) {
    assert.equal((await harness.call("PUT", `workers/scripts/${script}`, containerForm())).status, 200);
  }
  return harness.call("POST", "containers/applications", {
    name,
    configuration: { image: ONE, instance_type: "lite" },
    max_instances: 10,
    durable_objects: { namespace_id: await namespaceOf(harness, script) },
    ...changes,
  });
}

/** The id of the namespace of a Worker's first class. */
export async function namespaceOf(harness: Harness, script: string): Promise<string> {
  const { result } = await harness.call("GET", `workers/scripts/${script}/versions`);
  return result.items[0].resources.bindings[0].namespace_id;
}
