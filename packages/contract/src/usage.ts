/** Bytes as an application's containers see them. */
export interface TransferredBytes {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** What an application's containers have sent and received on connections that they opened; names they looked up are not counted. */
export interface EgressUsage {
  /** Script name. */
  readonly tenant: string;
  /** Since when it is counted; RFC 3339. */
  readonly since: string;
  /** To the Internet, and to private networks that are open to containers. */
  readonly internet: TransferredBytes;
  /** To Workers that take the application's outbound connections. */
  readonly workers: TransferredBytes;
}

/** Whoever counts what containers use. */
export interface UsageSource {
  /** One entry for each application. Counts outlive the engine; one that is killed loses at most ten seconds of them. */
  egressUsage(): Promise<readonly EgressUsage[]>;
}
