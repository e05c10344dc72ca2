export { Container } from "./container.js";
export { ContainerError, type ContainerErrorCode } from "./container-error.js";
export { ContainerProxy } from "./outbound/container-proxy.js";
export {
  type OutboundHandler,
  type OutboundHandlerContext,
  type OutboundHandlerParams,
  type OutboundHandlerParamsOf,
  type OutboundHandlers,
  outboundParams,
} from "./outbound/types.js";
export { getContainer, getRandom, loadBalance, switchPort } from "./stubs.js";
export type {
  CancellationOptions,
  ContainerEventHandler,
  ContainerMessage,
  ContainerOptions,
  ContainerStartConfigOptions,
  Schedule,
  SleepMode,
  StartAndWaitForPortsOptions,
  State,
  StopParams,
  WaitOptions,
} from "./types.js";
