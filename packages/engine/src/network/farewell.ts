import { setTimeout as sleep } from "node:timers/promises";
import type { Instance } from "../instance/instance.js";
import type { Ingress } from "./ingress.js";

/** How long a program has to take leave of its streams: they have had their time before. */
const GOODBYE_MS = 50;
/** For how long streams are looked for: some cannot be told from a request that waits at the first look. */
const CUTTING_MS = 1_000;

/** Lets a program that was told to end take leave of its streams by itself, and ends what is left of them. Resolves when that is done, or the instance has ended. */
export async function endStreams(instance: Instance, door: Ingress | undefined): Promise<void> {
  for (let waited = 0; instance.live && waited < CUTTING_MS; waited += GOODBYE_MS) {
    await Promise.race([instance.exited, sleep(GOODBYE_MS, undefined, { ref: false })]);
    if (instance.live) door?.cutStreams();
  }
}
