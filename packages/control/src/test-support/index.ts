// What the end-to-end tests use of these.
export { drafts } from "./fuzz/drafts.js";
export { requestOf } from "./fuzz/requests.js";
export { HELD, populate, SECRET, STRANGERS } from "./fuzz/world.js";
export { type Answer, Harness } from "./harness.js";
