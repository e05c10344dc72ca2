import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkerTarget } from "@longshore/contract";
import { hexId, Modules } from "../fixtures.js";
import { text } from "./capnp.js";
import { validateTarget } from "./validate.js";
import { workerConfig } from "./worker-config.js";

const WORKERD = "2026-11-17";
const modules = new Modules();
const places = { runDirectory: "/run/w", storageDirectory: "/data/hello/objects", allowedNetworks: ["public"] };

function containerTarget(): WorkerTarget {
  const id = "0123456789abcdef0123456789abcdef";
  const other = "fedcba9876543210fedcba9876543210";
  return {
    ...modules.target("hello", "export default {};", {
      id: "7b6e2c52-1111-4a6f-9d1f-2d4a1f1e0001",
      modules: [modules.add('a "b".txt', "text", "x"), modules.add("index.js", "esModule", "export default {};")],
      compatibilityFlags: ["nodejs_compat"],
      bindings: [
        { type: "plain_text", name: "GREETING", text: 'say "hé"\n' },
        { type: "json", name: "LIST", json: [1, { a: "b" }] },
        { type: "version_metadata", name: "META" },
        { type: "durable_object_namespace", name: "APP", className: "App", namespaceId: id },
      ],
      containers: [{ className: "App" }],
      annotations: { "workers/tag": "v1" },
    }),
    namespaces: [
      { id, className: "App", sqlite: true },
      { id: other, className: "Old", sqlite: false },
    ],
    engineSocket: "/run/engine/hello.sock",
  };
}

const GOLDEN = String.raw`using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (
      name = "hello",
      worker = (
        modules = [
          (name = "index.js", esModule = embed "module-0"),
          (name = "a \x22b\x22.txt", text = embed "module-1")
        ],
        compatibilityDate = "2026-11-01",
        compatibilityFlags = [
          "nodejs_compat"
        ],
        bindings = [
          (name = "GREETING", text = "say \x22h\xc3\xa9\x22\x0a"),
          (name = "LIST", json = "[1,{\x22a\x22:\x22b\x22}]"),
          (
            name = "META",
            json = "{\x22id\x22:\x227b6e2c52-1111-4a6f-9d1f-2d4a1f1e0001\x22,\x22tag\x22:\x22v1\x22,\x22timestamp\x22:\x222026-11-01T00:00:00.000Z\x22}"
          ),
          (name = "APP", durableObjectNamespace = "App")
        ],
        globalOutbound = "longshore:network",
        durableObjectNamespaces = [
          (
            className = "App",
            uniqueKey = "0123456789abcdef0123456789abcdef",
            enableSql = true,
            container = (imageName = "0123456789abcdef0123456789abcdef")
          ),
          (className = "Old", uniqueKey = "fedcba9876543210fedcba9876543210")
        ],
        durableObjectStorage = (localDisk = "longshore:objects"),
        containerEngine = (localDocker = (socketPath = "unix:/run/engine/hello.sock", containerEgressInterceptorImage = "longshore/egress"))
      )
    ),
    (
      name = "longshore:network",
      network = (
        allow = [
          "public"
        ],
        tlsOptions = (trustBrowserCas = true)
      )
    ),
    (name = "longshore:objects", disk = (path = "/data/hello/objects", writable = true))
  ],
  sockets = [
    (name = "http", service = "hello", http = (forwardedProtoHeader = "Longshore-Proto", cfBlobHeader = "Longshore-Cf"))
  ]
);
`;

test("a Worker with containers becomes this configuration", () => {
  const target = containerTarget();
  validateTarget(target, WORKERD);
  assert.equal(workerConfig(target, places).text, GOLDEN);
  assert.deepEqual(
    workerConfig(target, places).files.map(({ file, module }) => [file, module.name]),
    [
      ["module-0", "index.js"],
      ["module-1", 'a "b".txt'],
    ],
  );
});

test("a text literal is one line of plain ASCII, whatever the value", () => {
  let all = "";
  for (let code = 0; code < 0x250; code++) all += String.fromCodePoint(code);
  assert.match(text(`${all}\u2028🚢`), /^"(?:[ !#-[\]-~]|\\x[0-9a-f]{2})*"$/);
});

test("what workerd would misread is refused, with the Worker's name and a reason", () => {
  const base = containerTarget();
  const cases: [string, Partial<WorkerTarget["version"]> | ((target: WorkerTarget) => WorkerTarget), string, RegExp][] = [
    [
      "newer date",
      { compatibilityDate: "2026-11-25" },
      "INVALID_INPUT",
      /newest that the installed workerd \(2026-11-17\) knows is 2026-11-24/,
    ],
    ["no date", { compatibilityDate: "yesterday" }, "INVALID_INPUT", /not a date/],
    ["no main module", { mainModule: "main.js" }, "INVALID_INPUT", /main module "main.js" is not among/],
    ["main module is text", { mainModule: 'a "b".txt' }, "INVALID_INPUT", /not an ES module/],
    [
      "absolute module",
      { modules: [...base.version.modules, modules.add("/etc/x", "text", "")] },
      "INVALID_INPUT",
      /cannot be named "\/etc\/x"/,
    ],
    ["module twice", { modules: [...base.version.modules, ...base.version.modules] }, "INVALID_INPUT", /two modules named/],
    ["__proto__", { bindings: [{ type: "plain_text", name: "__proto__", text: "" }] }, "INVALID_INPUT", /cannot be named "__proto__"/],
    ["half a pair", { bindings: [{ type: "plain_text", name: "A", text: "\ud800" }] }, "INVALID_INPUT", /surrogate/],
    [
      "binding twice",
      { bindings: [1, 2].map(() => ({ type: "plain_text", name: "A", text: "" })) },
      "INVALID_INPUT",
      /two bindings named "A"/,
    ],
    [
      "class of another Worker",
      { bindings: [{ type: "durable_object_namespace", name: "X", className: "Y", namespaceId: hexId("elsewhere") }] },
      "UNSUPPORTED",
      /another Worker/,
    ],
    ["container without class", { containers: [{ className: "Nope" }] }, "INVALID_INPUT", /"Nope", which is not a Durable Object class/],
    ["no engine", ({ engineSocket: _, ...target }) => target, "UNSUPPORTED", /no container engine/],
    ["script name", (target) => ({ ...target, script: "../x" }), "INVALID_INPUT", /cannot be a Worker's name/],
  ];
  for (const [name, change, code, message] of cases) {
    const target = typeof change === "function" ? change(base) : { ...base, version: { ...base.version, ...change } };
    assert.throws(() => validateTarget(target, WORKERD), { code, message }, name);
  }
});

test("a binding kind from a newer version is refused by name", () => {
  const target = containerTarget();
  const bindings = [{ type: "telepathy", name: "MIND" }] as unknown as WorkerTarget["version"]["bindings"];
  assert.throws(() => workerConfig({ ...target, version: { ...target.version, bindings } }, places), {
    code: "UNSUPPORTED",
    message: /"MIND".*"telepathy"/,
  });
});
