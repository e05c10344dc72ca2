export { canPull } from "./can-pull.js";
export { removeDevelopmentImages } from "./development/tags.js";
export { dockerCommandPath } from "./docker-command-path.js";
export { baseImages } from "./dockerfile.js";
export { type EnsuredBaseImages, ensureBaseImages } from "./ensure-base-images.js";
export { SEED_REFERENCES, type Seeded, type SeedName, type SeedOptions, seedImage } from "./seed/seed.js";
export { type BuildSettings, buildSettings } from "./settings.js";
