export { bindingHandler } from "./binding/handler.js";
export { type R2Options, R2Storage } from "./storage.js";
