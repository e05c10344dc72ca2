export { createWorkerHost, type RunningWorkerHost, type WorkerHostOptions } from "./host.js";
export type { ReadModule } from "./release.js";
export { STORE_HEADER } from "./storage/storage-config.js";
export { findWorkerd } from "./workerd-binary.js";
