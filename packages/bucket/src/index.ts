export { DirectoryBucket } from "./directory-bucket.js";
