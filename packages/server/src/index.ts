export { type BackupFacts, backup } from "./backup/backup.js";
export { restore } from "./backup/restore.js";
export { type InspectedCertificate, inspectCertificates } from "./certificate-files.js";
export { type DevEngine, startDevEngine } from "./dev-engine.js";
export { type EngineAccess, engineAccess } from "./engine-access.js";
export { installationIdentity } from "./installation/identity.js";
export { type Presence, readPresence } from "./installation/presence.js";
export { dataDirectory, readSettings, runDirectory, type SettingName, type Settings } from "./settings.js";
export { type Installation, up } from "./up.js";
