/** A KV namespace as the control plane knows it; its keys and values are elsewhere. */
export interface KvNamespace {
  /** 32 hex digits. */
  readonly id: string;
  /** One of its kind. */
  readonly title: string;
}

/** A D1 database as the control plane knows it. */
export interface Database {
  readonly uuid: string;
  /** One of its kind. */
  readonly name: string;
  readonly createdOn: string;
}
