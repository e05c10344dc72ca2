export { createWorkerHost } from "./host.js";
export type { RunningWorkerHost, WorkerHostOptions } from "./host-options.js";
export type { ReadModule } from "./release.js";
export { STORE_HEADER } from "./storage/storage-config.js";
export { findWorkerd } from "./workerd-binary.js";
