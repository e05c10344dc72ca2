import assert from "node:assert/strict";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import type { Application } from "./model/application.js";
import { VersionImages, type VersionImagesParts } from "./services/version-images.js";

const configuration = { image: "registry/app:1", vcpu: 1, memory_mib: 3072, disk: { size_mb: 4000 } };

function application(id: string): Application {
  return {
    id,
    name: id,
    createdAt: "",
    updatedAt: "",
    script: "site",
    namespaceId: id,
    live: { version: 1, configuration, image: "account/app@sha256:new" },
    lastVersion: 1,
    maxInstances: 1,
    graceSeconds: 0,
    extra: {},
    rollouts: [],
  };
}

/** Applications of which the last cannot be written, as where the disk is full. */
function imagesOver(stored: Map<string, Application>, unwritable?: string): VersionImages {
  const update = async (id: string, change: (application: Application) => Application) => {
    const before = stored.get(id);
    if (before === undefined) return undefined;
    const after = change(before);
    if (id === unwritable) throw new LongshoreError("NO_SPACE", "The disk is full.");
    stored.set(id, after);
    return after;
  };
  return new VersionImages({ store: { applications: { update } }, onCrash: "stop", clock: () => 0 } as unknown as VersionImagesParts);
}

test("going back to a version changes all of its applications or none, and can be taken back", async () => {
  const before = [application("one"), application("two")];
  const stored = new Map(before.map((each) => [each.id, each]));
  const changes = before.map(({ id }) => ({ application: id, to: { configuration, image: "account/app@sha256:old" } }));

  const undo = await imagesOver(stored).apply(changes);
  assert.deepEqual(
    [...stored.values()].map(({ rollouts }) => rollouts[0]?.target.image),
    ["account/app@sha256:old", "account/app@sha256:old"],
  );
  await undo();
  assert.deepEqual([...stored.values()], before);

  await assert.rejects(imagesOver(stored, "two").apply(changes), /The disk is full/);
  assert.deepEqual([...stored.values()], before);
});
