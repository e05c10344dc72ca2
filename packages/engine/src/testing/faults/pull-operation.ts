import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fillBusybox } from "../image-source.js";
import type { KillStage } from "./kill-stage.js";
import type { Operation } from "./operation.js";

/** Where an engine keeps what it pulls, a name for each part. */
const PLACES = ["data/layers", "data/images", "pulled/blobs", "pulled/tags"];

let reference = "";
let pulls = 0;
let before = new Set<string>();

/** An image comes from a registry that nobody has asked for yet. */
export const pull: Operation = {
  name: "pull",
  async prepare(stage) {
    const name = `acc/pulled:${++pulls}`;
    stage.images.add(name, {
      fill: (directory) => {
        fillBusybox(directory);
        writeFileSync(join(directory, "unique"), name);
      },
    });
    reference = stage.reference(name);
    before = new Set(parts(stage));
  },
  run: prepareImage,
  again: prepareImage,
  /** There is no call for it: the engine removes images in its own time. */
  async clean(stage) {
    await stage.settle();
    await stage.killEngine();
    for (const part of parts(stage)) if (!before.has(part)) rmSync(part, { recursive: true, force: true });
    await stage.startEngine();
  },
};

async function prepareImage(stage: KillStage): Promise<void> {
  await stage.client.prepareImage(reference);
}

function parts({ directory }: KillStage): string[] {
  return PLACES.flatMap((place) => readdirSync(join(directory, place)).map((name) => join(directory, place, name)));
}
