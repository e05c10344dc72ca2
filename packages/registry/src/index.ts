export type { Authorize } from "./access.js";
export type { Collected, ImagesInUse } from "./collector.js";
export type { Access } from "./http.js";
export { type Listening, type ListenOptions, listenTlsAndPlain } from "./listen.js";
export { createRegistry, type Registry, type RegistryEvent, type RegistryOptions } from "./registry.js";
