export { freePort } from "./free-port.js";
export * from "./mutations.js";
