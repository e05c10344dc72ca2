import type { DurableObjectNamespace, WorkerBinding, WorkerVersion } from "@longshore/contract";

/** A secret as it rests in the bucket: `sealed` opens only with the installation's key. */
export type StoredBinding =
  | Exclude<WorkerBinding, { type: "secret_text" }>
  | { readonly type: "secret_text"; readonly name: string; readonly sealed: string };

/** A {@link WorkerVersion} as it rests in the bucket, with what only the API shows. Immutable. */
export interface StoredVersion extends Omit<WorkerVersion, "bindings"> {
  readonly bindings: readonly StoredBinding[];
  /** Digest over the modules. */
  readonly etag: string;
}

export interface Deployment {
  /** UUID. */
  readonly id: string;
  readonly versionId: string;
  readonly createdOn: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What is set on a script outside its versions, kept as the client sent it. */
export type ScriptSettings = Readonly<Record<string, unknown>>;

/** A host name that is one script's alone. The zone is what the client said of it; nothing here depends on it. */
export interface CustomDomain {
  readonly hostname: string;
  readonly zoneId?: string;
  readonly zoneName?: string;
  /** False: it stays the script's, and is not served. */
  readonly enabled: boolean;
  readonly previewsEnabled: boolean;
}

/** The one mutable object of a script. Swapping it is what makes a deploy happen. */
export interface ScriptHead {
  readonly name: string;
  /** 32 hex; stays the same over the script's life. */
  readonly tag: string;
  readonly createdOn: string;
  readonly modifiedOn: string;
  readonly namespaces: readonly DurableObjectNamespace[];
  readonly migrationTag?: string;
  /** Newest first, never empty; the first one is what runs. */
  readonly deployments: readonly [Deployment, ...Deployment[]];
  /** The highest version number given out. */
  readonly lastNumber: number;
  readonly settings: ScriptSettings;
  /** Cron triggers: they stay when versions change. */
  readonly crons?: readonly string[];
  readonly subdomain: { readonly enabled: boolean; readonly previewsEnabled: boolean };
  /** Host names of its own. They stay when versions change, and end with the script. */
  readonly domains?: readonly CustomDomain[];
  /** Patterns of addresses that it serves. */
  readonly routes?: readonly string[];
  /** Set first when the script is deleted, so that a restart in the middle finishes the work. */
  readonly deleting?: true;
}

/** How many deployments a script remembers. */
const DEPLOYMENTS_KEPT = 100;

export function activeVersionId(head: ScriptHead): string {
  return head.deployments[0].versionId;
}

/** The head after `deployment`. */
export function withDeployment(head: ScriptHead, deployment: Deployment): ScriptHead {
  const older = head.deployments.slice(0, DEPLOYMENTS_KEPT - 1);
  return { ...head, modifiedOn: deployment.createdOn, deployments: [deployment, ...older] };
}
