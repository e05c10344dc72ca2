import assert from "node:assert/strict";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { renderTemplate } from "./template.js";

const IMAGE = {
  Os: "linux",
  Architecture: "amd64",
  Size: 1234,
  RepoTags: ["cloudflare-dev/a:1", "a:2"],
  RepoDigests: [],
  RootFS: { Layers: ["x", "y", "z"] },
  Config: { ExposedPorts: null, Labels: { one: "1" } },
};

const CASES: readonly [template: string, expected: string][] = [
  ["{{ json .RepoDigests }}", "[]"],
  ["{{ .Size }} {{ len .RootFS.Layers }}", "1234 3"],
  ["{{ len .Config.ExposedPorts }}", "0"],
  ["{{ .Os }}/{{ .Architecture }}", "linux/amd64"],
  ["{{.Os}}", "linux"],
  ["{{ range .RepoTags }}{{ . }}\n{{ end }}", "cloudflare-dev/a:1\na:2\n"],
  ["{{range .RepoDigests}}{{.}}{{else}}none{{end}}", "none"],
  ["{{if .RepoDigests}}yes{{else}}no{{end}}{{if .RepoTags}}yes{{end}}", "noyes"],
  ["a {{- .Os -}} b", "alinuxb"],
  ["{{ index .RepoTags 1 | json }}", '"a:2"'],
  ['{{ join .RepoTags ", " | upper }}', "CLOUDFLARE-DEV/A:1, A:2"],
  ["{{ .RepoTags }} {{ .Config.Labels }} {{ .Config.ExposedPorts }}", "[cloudflare-dev/a:1 a:2] map[one:1] <no value>"],
  ["{{range .RepoTags}}{{if .}}[{{range .}}{{end}}]{{end}}{{end}}", "[][]"],
  ["plain", "plain"],
];

test("the templates that wrangler and people use", async (t) => {
  for (const [template, expected] of CASES) {
    await t.test(template, () => assert.equal(renderTemplate(template, IMAGE), expected));
  }
  await t.test("json alone", () => assert.deepEqual(JSON.parse(renderTemplate("json", IMAGE)), IMAGE));
});

test("what the subset does not know is refused by name", async (t) => {
  const refused: readonly [template: string, message: RegExp][] = [
    ["{{ .Nope }}", /no field "Nope"/],
    ["{{ .Os.Deep }}", /no field "Deep"/],
    ["{{ printf .Os }}", /function "printf"/],
    ["{{ $x := .Os }}", /not known here/],
    ["{{ .Os", /without "}}"/],
    ["{{ range .RepoTags }}", /no "\{\{end}}"/],
    ["{{ end }}", /without a "range"/],
    ["{{ .Os .Size }}", /not a function call/],
    ["{{ index .RepoTags 9 }}", /no element 9/],
  ];
  for (const [template, message] of refused) {
    await t.test(template, () =>
      assert.throws(
        () => renderTemplate(template, IMAGE),
        (error) => error instanceof LongshoreError && error.code === "INVALID_INPUT" && message.test(error.message),
      ),
    );
  }
});
