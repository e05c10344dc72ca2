export { type Control, createControl, type PublishedScript } from "./control.js";
export type { Clock, ControlOptions, Identity, Images, Log, Place, RegistryGrant } from "./options.js";
export { type ApiToken, ApiTokens } from "./state/api-tokens.js";
