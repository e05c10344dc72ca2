export { EngineClient } from "./client.js";
export { EngineDirectories } from "./directories.js";
export type { EgressSettings } from "./egress/egress-network.js";
export { type ContainerEngine, type Log, STOP_GRACE_MS } from "./engine.js";
export type { Registries, RegistrySettings } from "./image/registry/settings.js";
export { imagesFrom, RegistryImageSource, type RegistrySourceOptions } from "./image/registry/source.js";
export { BucketImageSource, parseReference } from "./image/source.js";
export type { ImageSource } from "./image/types.js";
export { type EngineSettings, type OpenEngine, openEngine } from "./open.js";
