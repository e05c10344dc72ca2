import { type AppDirectory, appDirectory } from "@longshore/testkit";

/** A small application: one Container class, on an image that is built within a second. */
export interface BusyboxApp {
  readonly name: string;
  /** The Dockerfile's lines after `FROM busybox`. Default: an HTTP server on port 8080 that serves {@link page}. */
  readonly dockerfile?: string;
  /** What `/` answers. */
  readonly page?: string;
  /** More fields of the Container class. */
  readonly fields?: string;
  /** What the Worker's fetch does first. */
  readonly before?: string;
  readonly maxInstances?: number;
  /** More keys of the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Writes the application. Requests to `/<id>/…` reach the container of that id. */
export function busyboxApp(app: BusyboxApp): AppDirectory {
  return appDirectory({ files: busyboxFiles(app) });
}

/** The application's files, to write again with changes. */
export function busyboxFiles(app: BusyboxApp): Record<string, string> {
  const { name, dockerfile = SERVER, page = "first version", fields = "", before = "", maxInstances = 5, config = {} } = app;
  return {
    "wrangler.jsonc": JSON.stringify({
      name,
      main: "index.js",
      compatibility_date: "2026-04-01",
      containers: [{ class_name: "Box", image: "./Dockerfile", max_instances: maxInstances, instance_type: "lite" }],
      durable_objects: { bindings: [{ name: "BOX", class_name: "Box" }] },
      migrations: [{ tag: "v1", new_sqlite_classes: ["Box"] }],
      ...config,
    }),
    "index.js": `import { Container, getContainer } from "@longshore/containers";
export class Box extends Container {
  defaultPort = 8080;
  ${fields}
}
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    ${before}
    const [, id, ...path] = url.pathname.split("/");
    url.pathname = path.join("/");
    return getContainer(env.BOX, id).fetch(new Request(url, request));
  },
};
`,
    Dockerfile: `FROM busybox\n${dockerfile}\n`,
    "www/index.html": `${page}\n`,
  };
}

const SERVER = 'COPY www /www\nCMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]';
