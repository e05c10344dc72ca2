// What storage-worker.ts uses of workerd's own modules. The two stores are bundled with workerd and documented at the head of their sources.

declare module "cloudflare:workers" {
  interface SqlCursor {
    toArray(): Record<string, unknown>[];
  }
  interface ObjectState {
    readonly storage: {
      readonly sql: { exec(sql: string, ...params: unknown[]): SqlCursor };
      transactionSync<T>(task: () => T): T;
      deleteAll(): Promise<void>;
      deleteAlarm(): Promise<void>;
      get(key: string): Promise<unknown>;
      put(key: string, value: unknown): Promise<void>;
      sync(): Promise<void>;
    };
    abort(reason: string): never;
  }
  export class DurableObject {
    protected readonly ctx: ObjectState;
    constructor(ctx: ObjectState, env: unknown);
  }
  export class WorkerEntrypoint {
    protected readonly env: unknown;
  }
}

declare module "longshore:kv" {
  import { DurableObject } from "cloudflare:workers";
  export class KVNamespace extends DurableObject {}
  const handler: { fetch(request: Request, env: unknown, context: { props: { namespace: string } }): Promise<Response> };
  export default handler;
}

declare module "longshore:d1" {
  import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
  export class D1Database extends DurableObject {}
  export default class extends WorkerEntrypoint {}
}

declare module "longshore:queues" {
  import { DurableObject } from "cloudflare:workers";
  export class QueueShard extends DurableObject {}
  const handler: { fetch(request: Request, env: unknown, context: { props: { queue: string } }): Promise<Response> };
  export default handler;
}
