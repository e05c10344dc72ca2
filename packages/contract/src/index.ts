export { isHostName, type Publish, type PublishedScript, parseRoutePattern, type RoutePattern } from "./addresses.js";
export type { Bucket, BucketObject, ByteRange, ListPosition, ObjectInfo, PutOptions } from "./bucket.js";
export {
  type ContainerClass,
  type Engine,
  EXIT_REASONS,
  type ExitReason,
  type ExitRecord,
  hasFailed,
  type InstanceInfo,
  type InstanceStatus,
  type MemoryShortage,
  releaseFor,
  releasesOf,
  rolloutPlace,
  type Tenant,
} from "./engine.js";
export { type ErrorCode, isErrno, LongshoreError, type LongshoreErrorOptions, STATUS_OF_CODE, toLongshoreError } from "./errors.js";
export { inParallel } from "./in-parallel.js";
export { ACCOUNT_LIMITS, type AccountLimits, INSTANCE_TYPES, type InstanceSize, instanceSize } from "./instance-types.js";
export { KeyedMutex } from "./keyed-mutex.js";
export type { LogLine, LogQuery, LogSource } from "./logs.js";
export {
  type BucketSettings,
  type ChecksumName,
  type CorsRule,
  DEFAULT_LIFECYCLE,
  type HttpFields,
  type LifecycleCondition,
  type LifecycleRule,
  type LockRule,
  type ObjectFacts,
  type ObjectPage,
  type ObjectStorage,
  type StorageBucket,
  type StoredObject,
} from "./object-storage.js";
export type { QueueConsumer, QueueFacts, QueueSettings, Queues } from "./queues.js";
export {
  BLOBS_PREFIX,
  blobKey,
  DIGEST_PATTERN,
  digestOfBlobKey,
  discardedKey,
  type ManifestLink,
  manifestKey,
  REPOSITORIES_PREFIX,
  referrerKey,
  repositoryBlobKey,
  tagKey,
} from "./registry-layout.js";
export { allows, includesScopes, parseScopes, SCOPE_AREAS, type Scope, type ScopeAccess, type ScopeArea } from "./scopes.js";
export { openText, sealText } from "./sealed-text.js";
export type { Databases, ExportOptions, KeyFacts, KeyPage, KeyValues, Statement, StatementResult } from "./storage.js";
export type { TraceEvent, TraceSource } from "./traces.js";
export type { EgressUsage, TransferredBytes, UsageSource } from "./usage.js";
export type {
  AssetFile,
  AssetsConfig,
  DurableObjectNamespace,
  ModuleKind,
  WorkerAssets,
  WorkerBinding,
  WorkerContainer,
  WorkerModule,
  WorkerVersion,
} from "./worker-version.js";
export {
  CF_HEADER,
  PROTOCOL_HEADER,
  type ReadAccountSecret,
  type TrafficGate,
  type TrafficHold,
  type WorkerHost,
  type WorkerTarget,
  type WorkerUpstream,
} from "./workers.js";
