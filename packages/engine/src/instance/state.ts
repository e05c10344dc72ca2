import type { InstanceStatus } from "@longshore/contract";

/** What can happen to an instance. */
export type InstanceEvent = "start" | "ready" | "freeze" | "thaw" | "stop" | "exit";

/** The whole state machine: a pair that is not here is refused. */
const NEXT: Readonly<Record<InstanceStatus, Partial<Record<InstanceEvent, InstanceStatus>>>> = {
  created: { start: "starting", exit: "exited" },
  starting: { ready: "running", freeze: "frozen", stop: "stopping", exit: "exited" },
  running: { ready: "running", freeze: "frozen", thaw: "running", stop: "stopping", exit: "exited" },
  frozen: { freeze: "frozen", thaw: "running", stop: "stopping", exit: "exited" },
  stopping: { ready: "stopping", stop: "stopping", exit: "exited" },
  exited: { exit: "exited", stop: "exited" },
};

/** The state after an event, or `undefined` when the event cannot happen now. */
export function nextStatus(status: InstanceStatus, event: InstanceEvent): InstanceStatus | undefined {
  return NEXT[status][event];
}
