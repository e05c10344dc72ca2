export { DirectoryBucket } from "./directory-bucket.js";
export { DirectoryBucketReader } from "./directory-bucket-reader.js";
