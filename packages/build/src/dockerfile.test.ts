import assert from "node:assert/strict";
import { test } from "node:test";
import { baseImages, readDockerfile } from "./dockerfile.js";

test("base images are found through stages, arguments, comments and continuation lines", () => {
  const text = `# syntax=docker/dockerfile:1
ARG VERSION=20
ARG BASE=node:\${VERSION}-slim
FROM --platform=$BUILDPLATFORM golang:1.22 AS Build
# a comment
RUN go \\
    # inside
    build
FROM \${BASE} AS run
COPY --from=build /out /out
COPY --chown=1:1 --from=busybox:1 /bin/busybox /bin/
RUN --mount=type=bind,from=alpine:3,target=/x ls
COPY --from=0 /a /b
FROM scratch AS nothing
FROM unused/image
FROM run
CMD ["x"]
`;
  assert.deepEqual(baseImages(text), ["node:20-slim", "golang:1.22", "busybox:1", "alpine:3"]);
  assert.deepEqual(baseImages(text, { buildArgs: { VERSION: "22" } })[0], "node:22-slim");
  assert.deepEqual(baseImages(text, { target: "nothing" }), []);
  assert.deepEqual(baseImages(text, { target: "run" }), ["node:20-slim", "golang:1.22", "busybox:1", "alpine:3"]);
});

test("variables have defaults and alternatives; an unknown one is empty", () => {
  assert.deepEqual(baseImages(`ARG A\nFROM \${A:-busybox}\n`), ["busybox"]);
  assert.deepEqual(baseImages(`ARG A=1\nFROM img\${A:+-alt}\n`), ["img-alt"]);
  assert.deepEqual(baseImages('ARG A="quoted:1"\nFROM "$A"\n'), ["quoted:1"]);
});

test("the base of the last stage is known with its platform", () => {
  const file = readDockerfile("FROM --platform=linux/arm64 a AS x\nFROM x AS y\nFROM y\n");
  assert.equal(file.base?.from, "a");
  assert.equal(file.base?.platform, "linux/arm64");
  assert.equal(readDockerfile("FROM --platform=$TARGETPLATFORM a").base?.platform, "linux/amd64");
});

test("a stage of the image's own name is not taken for itself", () => {
  assert.deepEqual(baseImages("FROM busybox AS busybox\nRUN x\n"), ["busybox"]);
});

test("nothing in it, nothing found", () => {
  assert.deepEqual(baseImages(""), []);
  assert.deepEqual(baseImages("FROM\nnonsense"), []);
});
