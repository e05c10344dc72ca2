export { Container } from "./container.js";
export { ContainerError, type ContainerErrorCode } from "./container-error.js";
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
