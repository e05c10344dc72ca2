export { bindingHandler } from "./binding/handler.js";
export { isPreflight } from "./s3/cors.js";
export { type S3Access, type S3Options, s3Handler } from "./s3/handler.js";
export { type R2Options, R2Storage } from "./storage.js";
