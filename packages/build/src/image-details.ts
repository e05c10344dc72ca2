import type { BuildRoot } from "./build-root.js";
import { recordedDigests } from "./push-record.js";
import { familiarName } from "./reference.js";
import { imageSize, readConfig, type StoredImage } from "./storage.js";

/** The fields that Docker always shows, so that a template may ask for any of them. */
const EMPTY_CONFIG = {
  Hostname: "",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  ExposedPorts: null,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: "",
  Volumes: null,
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

/** An image as `docker image inspect` shows it. Errors: `INTERNAL` when storage is damaged. */
export async function imageDetails(root: BuildRoot, image: StoredImage) {
  const [config, size, digests] = await Promise.all([readConfig(root, image), imageSize(root, image), recordedDigests(root, image.id)]);
  return {
    Id: `sha256:${image.id}`,
    RepoTags: image.names.filter((name) => !name.includes("@")).map(familiarName),
    RepoDigests: digests.map(familiarName),
    Parent: "",
    Comment: "",
    Created: config.created ?? image.created,
    DockerVersion: "",
    Author: config.author ?? "",
    Config: { ...EMPTY_CONFIG, ...config.config },
    Architecture: config.architecture ?? "",
    Variant: config.variant ?? "",
    Os: config.os ?? "",
    Size: size,
    VirtualSize: size,
    GraphDriver: { Data: null, Name: root.driver },
    RootFS: { Type: "layers", Layers: config.rootfs?.diff_ids ?? [] },
    Metadata: { LastTagTime: image.created },
  };
}
