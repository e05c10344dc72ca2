export { type Control, createControl } from "./control.js";
export type { RegistryAccess } from "./model/image-registries.js";
export type { Clock, ControlOptions, Identity, Images, Log, Place, RegistryGrant } from "./options.js";
export { registryAccessIn } from "./services/image-registries.js";
export { type ApiToken, ApiTokens } from "./state/api-tokens.js";
