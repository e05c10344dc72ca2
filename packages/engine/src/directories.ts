import { join } from "node:path";

/** Where an engine keeps what: below the data directory what must outlast it, below the run directory what ends with the machine. */
export class EngineDirectories {
  readonly data: string;
  readonly run: string;

  constructor(dataDirectory: string, runDirectory: string) {
    this.data = dataDirectory;
    this.run = runDirectory;
  }

  /** Unpacked images and layers. */
  get images(): string {
    return this.data;
  }

  /** Images that were loaded, built or pulled here (image/local). */
  get localImages(): string {
    return join(this.data, "local");
  }

  get sandboxes(): string {
    return join(this.data, "sandboxes");
  }

  /** Directory and container snapshots, one directory for each. */
  get snapshots(): string {
    return join(this.data, "snapshots");
  }

  /** For files that are needed for a moment; emptied at start. On the same file system as the sandboxes. */
  get scratch(): string {
    return join(this.data, "scratch");
  }

  get records(): string {
    return join(this.data, "instances");
  }

  get logs(): string {
    return join(this.data, "logs");
  }

  /** Logs of instances that are gone. */
  get endedLogs(): string {
    return join(this.data, "logs-ended");
  }

  get tenants(): string {
    return join(this.data, "tenants");
  }

  /** Outbound rules and certificate authorities, a directory per tenant. */
  get egress(): string {
    return join(this.data, "egress");
  }

  get busybox(): string {
    return join(this.data, "busybox");
  }

  get exits(): string {
    return join(this.run, "exits");
  }

  get runtimeState(): string {
    return join(this.run, "runtime");
  }

  /** The server's own socket. */
  get adminSocket(): string {
    return join(this.run, "engine.sock");
  }

  /** Root's own, for the `docker` command. */
  get dockerSocket(): string {
    return join(this.run, "docker.sock");
  }

  tenantSocket(tenant: string): string {
    return join(this.run, `t-${tenant}.sock`);
  }
}
