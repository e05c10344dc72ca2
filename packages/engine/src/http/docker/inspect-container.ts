import { placeOf } from "../../egress/place.js";
import type { ContainerEngine } from "../../engine.js";
import type { Instance } from "../../instance/instance.js";
import type { PublishedListener } from "../../network/published-port.js";
import type { OwnContainers } from "../../own/own-containers.js";
import { inspect } from "../container-view.js";
import { friendlyName, labels, stateOf } from "./describe.js";

const MIB = 1024 * 1024;

/** All that `docker inspect` shows, with what its templates and the other commands look at. */
export function details(engine: ContainerEngine, own: OwnContainers, instance: Instance): Record<string, unknown> {
  const { record } = instance;
  const { State, ...rest } = inspect(instance);
  const [program = "", ...args] = record.argv;
  const run = record.own;
  return {
    ...rest,
    Name: `/${friendlyName(engine, instance)}`,
    Path: program,
    Args: args,
    State: { ...(State as object), Status: stateOf(instance), Dead: false, Restarting: false, Error: "" },
    LogPath: engine.parts.logs.file(record.id),
    Driver: "overlay",
    Platform: "linux",
    RestartCount: 0,
    Config: {
      Image: run?.image ?? record.image,
      Hostname: record.environment.HOSTNAME ?? record.id.slice(0, 12),
      User: run?.user ?? "",
      WorkingDir: run?.workingDirectory ?? "",
      Entrypoint: run === undefined || run.entrypoint.length === 0 ? null : run.entrypoint,
      Cmd: run === undefined ? record.argv : run.command,
      Env: Object.entries(record.environment).map(([name, value]) => `${name}=${value}`),
      Labels: labels(instance),
      Tty: run?.terminal === true,
      OpenStdin: run?.console.stdin === true,
      StdinOnce: run?.console.stdinOnce === true,
      StopSignal: run?.stopSignal ?? "SIGTERM",
      ExposedPorts: Object.fromEntries((run?.ports ?? []).map(({ containerPort }) => [`${containerPort}/tcp`, {}])),
    },
    HostConfig: hostConfig(instance),
    NetworkSettings: networkSettings(instance, own.published(instance)),
    Mounts: [],
    GraphDriver: { Name: "overlay", Data: null },
    ExecIDs: null,
  };
}

/** One row for each published port, as `docker ps` shows them. */
export function portRows(own: OwnContainers, instance: Instance) {
  return own.published(instance).map(({ containerPort, hostIp, hostPort }) => ({
    IP: hostIp,
    PrivatePort: containerPort,
    PublicPort: hostPort,
    Type: "tcp",
  }));
}

function hostConfig({ record: { own, vcpu } }: Instance) {
  return {
    NetworkMode: "default",
    LogConfig: { Type: "k8s-file", Config: {} },
    NanoCpus: Math.round(vcpu * 1e9),
    Memory: (own?.size.memoryMib ?? 0) * MIB,
    AutoRemove: own?.autoRemove === true,
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    Privileged: false,
    Binds: null,
    PortBindings: Object.fromEntries(
      (own?.ports ?? []).map(({ containerPort, hostIp, hostPort }) => [
        `${containerPort}/tcp`,
        [{ HostIp: hostIp, HostPort: String(hostPort) }],
      ]),
    ),
  };
}

function networkSettings({ record: { place }, live }: Instance, published: readonly PublishedListener[]) {
  const Ports: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { containerPort, hostIp, hostPort } of published) {
    const key = `${containerPort}/tcp`;
    Ports[key] = [...(Ports[key] ?? []), { HostIp: hostIp, HostPort: String(hostPort) }];
  }
  const IPAddress = place === undefined || !live ? "" : placeOf(place).ipv4;
  return {
    IPAddress,
    Ports,
    Networks: { bridge: { IPAddress, Aliases: null, NetworkID: "", EndpointID: "", Gateway: "", MacAddress: "" } },
  };
}
