import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { certificate, layerWith, skopeo, writeLayout } from "./fixture-images.js";
import { ACCOUNT, PASSWORD, startRegistry, type TestRegistry } from "./fixture-registry.js";

const DESTINATION = ["--dest-tls-verify=false", "--dest-creds", `v1:${PASSWORD}`];
const SOURCE = ["--src-tls-verify=false", "--src-creds", `v1:${PASSWORD}`];

test("skopeo pushes an image and pulls the same one, over plain HTTP and over TLS", async () => {
  await using directory = await temporaryDirectory();
  const tls = await certificate(directory.path);
  for (const options of [{}, { tls }]) {
    await using on = await startRegistry(options);
    const layers = [layerWith("small", randomBytes(10)), layerWith("large", randomBytes(5_000_000))];
    const digest = await writeLayout(join(directory.path, "in"), [{ architecture: "amd64", layers }]);
    const image = ref(on, "app:v1");

    succeeded(await skopeo("copy", ...DESTINATION, `oci:${directory.path}/in`, image));
    succeeded(await skopeo("copy", ...SOURCE, image, `oci:${directory.path}/out`));
    assert.match(await readFile(join(directory.path, "out", "index.json"), "utf8"), new RegExp(digest));
    succeeded(await skopeo("copy", ...SOURCE, ref(on, `app@${digest}`), `dir:${directory.path}/by-digest`));

    on.requests.length = 0;
    succeeded(await skopeo("copy", ...DESTINATION, `oci:${directory.path}/in`, ref(on, "app:v2")));
    assert.deepEqual(
      on.requests.filter((request) => /^(POST|PATCH)/.test(request)),
      [],
      "what is there is not sent again",
    );
    await rm(join(directory.path, "out"), { recursive: true });
    await rm(join(directory.path, "by-digest"), { recursive: true });
  }
});

test("docker's own format works too, and skopeo reads tags, inspects and deletes", async () => {
  await using directory = await temporaryDirectory();
  await using on = await startRegistry();
  await writeLayout(join(directory.path, "in"), [{ architecture: "amd64" }]);
  succeeded(await skopeo("copy", "--format", "v2s2", ...DESTINATION, `oci:${directory.path}/in`, ref(on, "group/app:docker")));
  const inspected = succeeded(await skopeo("inspect", "--tls-verify=false", "--creds", `v1:${PASSWORD}`, ref(on, "group/app:docker")));
  const { Architecture, RepoTags } = JSON.parse(inspected);
  assert.deepEqual([Architecture, RepoTags], ["amd64", ["docker"]]);
  const manifest = await on.request(`${ACCOUNT}/group/app/manifests/docker`);
  assert.equal(manifest.headers.get("content-type"), "application/vnd.docker.distribution.manifest.v2+json");
  succeeded(await skopeo("delete", "--tls-verify=false", "--creds", `v1:${PASSWORD}`, ref(on, "group/app:docker")));
  assert.equal((await on.request(`${ACCOUNT}/group/app/manifests/docker`)).status, 404);
});

test("an index with linux/amd64 is taken whole; without it, it is refused", async () => {
  await using directory = await temporaryDirectory();
  await using on = await startRegistry();
  const digest = await writeLayout(join(directory.path, "both"), [{ architecture: "arm64" }, { architecture: "amd64" }]);
  succeeded(await skopeo("copy", "--all", ...DESTINATION, `oci:${directory.path}/both`, ref(on, "app:multi")));
  assert.equal((await on.request(`${ACCOUNT}/app/manifests/multi`)).headers.get("docker-content-digest"), digest);
  succeeded(await skopeo("copy", "--all", ...SOURCE, ref(on, "app:multi"), `oci:${directory.path}/out`));

  await writeLayout(join(directory.path, "neither"), [{ architecture: "arm64" }, { architecture: "s390x" }]);
  const refused = await skopeo("copy", "--all", ...DESTINATION, `oci:${directory.path}/neither`, ref(on, "app:none"));
  assert.notEqual(refused.code, 0);
  assert.match(refused.output, /is for linux\/arm64, linux\/s390x, but containers run on linux\/amd64/);
});

test("an image for another architecture or system is refused, and the client says how to rebuild it", async () => {
  await using directory = await temporaryDirectory();
  await using on = await startRegistry();
  await writeLayout(join(directory.path, "arm"), [{ architecture: "arm64" }]);
  await writeLayout(join(directory.path, "windows"), [{ os: "windows", architecture: "amd64" }]);
  for (const [layout, platform] of Object.entries({ arm: "linux/arm64", windows: "windows/amd64" })) {
    const refused = await skopeo("copy", ...DESTINATION, `oci:${directory.path}/${layout}`, ref(on, "app:bad"));
    assert.notEqual(refused.code, 0);
    assert.ok(refused.output.includes(`is for ${platform}, but containers run on linux/amd64`), refused.output);
    assert.match(refused.output, /--platform linux\/amd64/);
  }
  assert.equal((await on.request(`${ACCOUNT}/app/manifests/bad`)).status, 404);
});

test("a wrong password is refused, and the client says so", async () => {
  await using directory = await temporaryDirectory();
  await using on = await startRegistry();
  await writeLayout(join(directory.path, "in"), [{ architecture: "amd64" }]);
  const refused = await skopeo(
    "copy",
    "--dest-tls-verify=false",
    "--dest-creds",
    "v1:wrong",
    `oci:${directory.path}/in`,
    ref(on, "app:v1"),
  );
  assert.notEqual(refused.code, 0);
  assert.match(refused.output, /unauthorized/);
});

function ref(on: TestRegistry, name: string): string {
  return `docker://127.0.0.1:${on.port}/${ACCOUNT}/${name}`;
}

function succeeded({ code, output }: { code: number; output: string }): string {
  assert.equal(code, 0, output);
  return output;
}

async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "longshore-push-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
