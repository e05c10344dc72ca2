import { LongshoreError } from "@longshore/contract";
import type { Instance } from "../instance/instance.js";
import type { TenantHost } from "../tenant/tenant-host.js";

/** A container as Docker inspects it, as far as workerd looks. */
export function inspect({ record }: Instance): Record<string, unknown> {
  const running = record.status !== "created" && record.status !== "exited";
  return {
    Id: record.id,
    Name: `/${record.name}`,
    Created: record.createdAt,
    Image: record.imageDigest,
    State: {
      Status: running ? "running" : record.status,
      Running: running,
      // Not a status of its own, as it is with Docker: to workerd a sleeping container runs.
      Paused: record.status === "frozen",
      OOMKilled: record.exit?.memory !== undefined,
      Pid: running ? record.process.pid : 0,
      ExitCode: record.exit?.code ?? 0,
      StartedAt: record.startedAt ?? "",
      FinishedAt: record.exit?.at ?? "",
    },
    Config: { Image: record.image, Cmd: record.argv },
    NetworkSettings: { Ports: {} },
  };
}

/** Finds a container by the name that workerd uses. */
export function finder(tenant: TenantHost): (name?: string) => Instance {
  return (name = "") => {
    const instance = tenant.containers.get(name);
    if (instance === undefined) throw noSuchContainer(name);
    return instance;
  };
}

/** Errors: `UNAVAILABLE` while the application's workerd is replaced. */
export function requireOpenGate(tenant: TenantHost): void {
  if (!tenant.gateShut) return;
  throw new LongshoreError("UNAVAILABLE", `The application "${tenant.config.id}" is being replaced: its containers stay as they are.`);
}

/** The error for a container that is not there. */
export function noSuchContainer(name: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", `There is no container ${name}.`);
}
