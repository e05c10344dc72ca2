import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { certificate, program, type Ran, skopeo, writeLayout } from "./fixture-images.js";
import { ACCOUNT, OCI_INDEX, PASSWORD, pushImage, startRegistry, type TestRegistry } from "./fixture-registry.js";

const CREDENTIALS = ["--tls-verify=false", "--creds", `v1:${PASSWORD}`];

for (const client of ["podman", "buildah"] as const) {
  for (const scheme of ["plain HTTP", "TLS"]) {
    test(`${client} builds, pushes and pulls over ${scheme}, and sends no layer twice`, async () => {
      await using directory = await temporaryDirectory();
      await using on = await startRegistry(scheme === "TLS" ? { tls: await certificate(directory.path) } : {});
      const run = (...words: string[]) => storageClient(client, directory.path, words);
      const build = client === "podman" ? "build" : "bud";
      const image = name(on, "built:v1");
      const other = name(on, "other:v1");
      await writeFile(join(directory.path, "large"), randomBytes(3_000_000));
      await writeFile(join(directory.path, "Dockerfile"), 'FROM scratch\nCOPY large /large\nCMD ["/large"]\n');
      // Where the base is in a registry, the client names that repository as the one to mount from.
      await writeFile(join(directory.path, "Second"), `FROM ${image}\nCOPY Dockerfile /small\n`);

      succeeded(await run(build, "--isolation", "chroot", "-t", image, directory.path));
      succeeded(await run("push", ...CREDENTIALS, image));
      assert.equal(uploads(on).length, 2, "a layer and a config");
      succeeded(await run("push", ...CREDENTIALS, image));
      assert.equal(uploads(on).length, 2, "nothing when it is there");

      succeeded(await run(build, "--isolation", "chroot", "-f", join(directory.path, "Second"), "-t", other, directory.path));
      const before = uploads(on).length;
      succeeded(await run("push", ...CREDENTIALS, other));
      assert.equal(uploads(on).length - before, 2, "the second image's own layer and config; the first layer is mounted");
      assert.ok(on.requests.some((request) => request.startsWith("POST") && request.includes("mount=sha256")));

      succeeded(await run("rmi", "--all", "--force"));
      succeeded(await run("pull", ...CREDENTIALS, other));
      assert.match(succeeded(await run("images")), /other/);
    });
  }
}

test("podman pushes a list of images, and pulls the one for linux/amd64", async () => {
  await using directory = await temporaryDirectory();
  await using on = await startRegistry();
  await writeLayout(join(directory.path, "arm"), [{ architecture: "arm64" }]);
  await writeLayout(join(directory.path, "amd"), [{ architecture: "amd64" }]);
  const podman = (...words: string[]) => storageClient("podman", directory.path, words);
  succeeded(await podman("manifest", "create", "list"));
  for (const layout of ["arm", "amd"]) succeeded(await podman("manifest", "add", "list", `oci:${directory.path}/${layout}`));
  succeeded(await podman("manifest", "push", "--all", ...CREDENTIALS, "list", `docker://${name(on, "list:v1")}`));
  const pushed = await on.request(`${ACCOUNT}/list/manifests/v1`);
  assert.equal(pushed.headers.get("content-type"), OCI_INDEX);
  assert.equal(((await pushed.json()) as { manifests: object[] }).manifests.length, 2);
  succeeded(await podman("pull", ...CREDENTIALS, name(on, "list:v1")));
});

test("podman shows why an image for another platform is refused", async () => {
  await using directory = await temporaryDirectory();
  await using on = await startRegistry();
  await writeFile(join(directory.path, "Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
  const podman = (...words: string[]) => storageClient("podman", directory.path, words);
  succeeded(await podman("build", "--platform", "linux/arm64", "-t", name(on, "app:v1"), directory.path));
  const refused = await podman("push", ...CREDENTIALS, name(on, "app:v1"));
  assert.notEqual(refused.code, 0);
  assert.match(refused.output, /is for linux\/arm64, but containers run on linux\/amd64/);
});

test("skopeo lists, inspects and deletes what referrers and indexes lead to", async () => {
  await using on = await startRegistry();
  const image = await pushImage(on, `${ACCOUNT}/app`, { reference: "v1" });
  await pushImage(on, `${ACCOUNT}/app`, { reference: "v2" });
  const listed = succeeded(await skopeo("list-tags", ...CREDENTIALS, `docker://${name(on, "app")}`));
  assert.deepEqual(JSON.parse(listed).Tags, ["v1", "v2"]);
  assert.equal(JSON.parse(succeeded(await skopeo("inspect", ...CREDENTIALS, `docker://${name(on, "app:v1")}`))).Digest, image.digest);
  succeeded(await skopeo("delete", ...CREDENTIALS, `docker://${name(on, "app:v1")}`));
  assert.equal((await on.request(`${ACCOUNT}/app/manifests/v1`)).status, 404);
});

/** A client with storage of its own, which is gone with the directory. */
function storageClient(client: "podman" | "buildah", directory: string, words: readonly string[]): Promise<Ran> {
  const storage = ["--root", join(directory, "root"), "--runroot", join(directory, "run"), "--storage-driver", "vfs"];
  const own = client === "podman" ? ["--tmpdir", join(directory, "tmp"), "--cgroup-manager", "cgroupfs", "--events-backend", "none"] : [];
  return program(client, [...storage, ...own, ...words]);
}

/** Beginnings of uploads that were none of a mount. */
function uploads(on: TestRegistry): string[] {
  return on.requests.filter((request) => request.startsWith("PUT") && request.includes("/blobs/uploads/"));
}

function name(on: TestRegistry, image: string): string {
  return `127.0.0.1:${on.port}/${ACCOUNT}/${image}`;
}

function succeeded({ code, output }: Ran): string {
  assert.equal(code, 0, output);
  return output;
}

async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "longshore-clients-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
