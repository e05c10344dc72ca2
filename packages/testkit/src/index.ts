export { type AppDirectory, type AppSource, appDirectory } from "./app-directory.js";
export { eventually } from "./eventually.js";
export { cgroupName, leftovers, processesOf } from "./leftovers.js";
export { logTails } from "./logs.js";
export { Platform, type PlatformOptions, type WranglerOptions, type WranglerVersion } from "./platform.js";
export { type Collected, collect, type Finished, type RunOptions, run } from "./run.js";
export { baseEnvironment, repository } from "./settings.js";
export { type PlatformSuite, platformSuite, type SuiteOptions } from "./suite.js";
export { cli } from "./up-process.js";
