import { join } from "node:path";
import { command } from "./command.mjs";

/** Writes an image that was deployed to a platform as an archive for `docker load`, under the name `<name>:latest`. */
export async function saveImage(platform, repository, file, name) {
  const build = join(platform.data, "build");
  const storage = ["--root", join(build, "storage"), "--runroot", join(build, "run")];
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: join(build, "etc/storage.conf"), REGISTRY_AUTH_FILE: join(build, "auth.json") };
  const images = JSON.parse(await command("buildah", [...storage, "images", "--json"], { env }));
  const image = images.find(({ names }) => names?.some((full) => full.includes(`/${repository}:`)));
  if (image === undefined) throw new Error(`The build storage has no image "${repository}".`);
  const policy = ["--signature-policy", join(build, "etc/policy.json")];
  await command("buildah", [...storage, "push", "-q", ...policy, image.id, `docker-archive:${file}:${name}:latest`], { env });
}
