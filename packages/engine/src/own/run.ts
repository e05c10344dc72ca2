import { type ContainerClass, INSTANCE_TYPES, type InstanceSize, instanceSize } from "@longshore/contract";
import type { PreparedImage } from "../image/types.js";
import type { Console } from "../sandbox/conmon.js";

/** A port of the host that leads to one of a container. */
export interface PublishedPort {
  readonly containerPort: number;
  /** Address of the host. */
  readonly hostIp: string;
  /** 0 takes any that is free. */
  readonly hostPort: number;
}

/** How the machine's owner asked for a container (`docker run`): part of its record, so that it can be made once more. */
export interface OwnRun {
  /** The image by the name that was asked for. */
  readonly image: string;
  readonly terminal: boolean;
  readonly console: Console;
  readonly hostname?: string;
  /** As in a Dockerfile's USER and WORKDIR, in place of the image's. */
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** `NAME=value`, on top of the image's. */
  readonly environment: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** It is removed when it ends. */
  readonly autoRemove: boolean;
  readonly stopSignal: string;
  readonly stopGraceMs: number;
  readonly ports: readonly PublishedPort[];
  readonly size: InstanceSize;
}

/**
 * The tenant of the containers that the machine's owner starts. No Worker's name has a tilde, so it is never taken for an application's.
 */
export const OWN_TENANT = "~docker";

/** More than anybody starts by hand. */
const MAX_CONTAINERS = 1_000;
const DEFAULT_TYPE = "basic";

/** What a container gets when nothing is asked for: a `basic` instance, with the disk that its image needs. */
export function ownSize(imageBytes: number, asked: Partial<InstanceSize>): InstanceSize {
  const standard = instanceSize(DEFAULT_TYPE);
  const needed = Math.ceil((2 * imageBytes) / 1e6);
  const fitting = Object.values(INSTANCE_TYPES).find(({ diskMb }) => diskMb >= Math.max(needed, standard.diskMb));
  return { ...standard, diskMb: fitting?.diskMb ?? needed, ...asked };
}

/** The class of one such container; `image` is what the image store is asked for. */
export function ownClass(image: string, size: InstanceSize): ContainerClass {
  return {
    namespaceId: OWN_TENANT,
    className: "docker",
    applicationId: OWN_TENANT,
    applicationName: "docker",
    image,
    size,
    maxInstances: MAX_CONTAINERS,
    version: 0,
    environment: {},
  };
}

/** An image with the user and the directory that were asked for. */
export function imageForRun(image: PreparedImage, { user, workingDirectory }: OwnRun): PreparedImage {
  const { config } = image;
  return { ...image, config: { ...config, user: user ?? config.user, workingDirectory: workingDirectory ?? config.workingDirectory } };
}
