export { freePort } from "./free-port.js";
export * from "./mutations.js";
export * from "./raw-request.js";
