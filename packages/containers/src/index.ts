export { Container } from "./container.js";
export { ContainerError, type ContainerErrorCode } from "./container-error.js";
export { ExecSession } from "./exec/session.js";
export { ContainerProxy } from "./outbound/container-proxy.js";
export {
  type OutboundHandler,
  type OutboundHandlerContext,
  type OutboundHandlerParams,
  type OutboundHandlerParamsOf,
  type OutboundHandlers,
  outboundParams,
} from "./outbound/types.js";
export type { RouteOptions } from "./route/plan.js";
export { type Route, route } from "./route/route.js";
export { getContainer, getRandom, loadBalance, switchPort } from "./stubs.js";
export type {
  CancellationOptions,
  ContainerEventHandler,
  ContainerMessage,
  ContainerOptions,
  ContainerStartConfigOptions,
  LastStop,
  Schedule,
  SleepMode,
  StartAndWaitForPortsOptions,
  State,
  StopCause,
  StopParams,
  WaitOptions,
} from "./types.js";
