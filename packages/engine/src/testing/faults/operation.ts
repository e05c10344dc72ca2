import type { KillStage } from "./kill-stage.js";

/** Something that an engine is asked to do, and may be killed at each step of. */
export interface Operation {
  readonly name: string;
  /** The engine is killed, {@link run} is what happens while there is none, and the steps are those of the next one's start. */
  readonly atStart?: boolean;
  prepare(stage: KillStage): Promise<void>;
  run(stage: KillStage): Promise<void>;
  /** After a kill at any step: what the caller does next, who has seen only a broken connection. It must come out as if nothing had been. */
  again(stage: KillStage): Promise<void>;
  /** Removes what {@link prepare} and {@link run} have made. */
  clean(stage: KillStage): Promise<void>;
}
