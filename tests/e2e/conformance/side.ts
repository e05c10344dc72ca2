import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AppDirectory, appDirectory, type Platform, repository } from "@longshore/testkit";
import { WebSocket } from "ws";

const CLASSES = ["Box", "Required", "NoPort", "Few", "Configured", "Sleepy", "Sleepless", "Fenced", "Closed"] as const;
export type ClassName = (typeof CLASSES)[number];

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** One of the two classes under test, as a deployed application. */
export class Side {
  readonly #shared = new Map<ClassName, Promise<Subject>>();

  constructor(
    private readonly platform: Platform,
    readonly app: string,
  ) {}

  /** An object that nobody has used. */
  fresh(className: ClassName = "Box"): Subject {
    return new Subject(this.platform, this.app, className, randomUUID());
  }

  /** An object whose container runs with both ports open, for rows that leave it as it was. */
  shared(className: ClassName = "Box"): Promise<Subject> {
    let shared = this.#shared.get(className);
    if (shared === undefined) {
      shared = this.#ready(className);
      this.#shared.set(className, shared);
    }
    return shared;
  }

  async #ready(className: ClassName): Promise<Subject> {
    const subject = this.fresh(className);
    await subject.call("startAndWaitForPorts", [8080, 8081]);
    return subject;
  }
}

/** One object of a class, and what can be asked of it. */
export class Subject {
  constructor(
    private readonly platform: Platform,
    private readonly app: string,
    private readonly className: ClassName,
    readonly id: string,
  ) {}

  async send(verb: string, path = "", init: { method?: string; body?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
    const options = { ...init, redirect: "manual" as const };
    const response = await this.platform.fetch(this.app, `/${this.className}/${this.id}/${verb}${path}`, options);
    return { status: response.status, text: await response.text(), headers: response.headers as unknown as Headers };
  }

  /** The answer to a request that starts the container if need be, tried again as the public package's own tests do. */
  async started(path = "/"): Promise<Answer> {
    for (let left = 5; ; left--) {
      const answer = await this.send("fetch", path);
      if (answer.status < 500 || left === 0) return answer;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  /** Calls a method of the object. Throws what it throws. */
  async call<T = unknown>(method: string, ...args: unknown[]): Promise<T> {
    const { status, text } = await this.send("call", "", { method: "POST", body: JSON.stringify({ method, args }) });
    const { value, error } = JSON.parse(text) as { value: T; error?: string };
    if (status !== 200 || error !== undefined) throw new Error(error ?? text);
    return value;
  }

  async events(): Promise<string[]> {
    return await this.call<string[]>("events");
  }

  async status(): Promise<string> {
    return (await this.call<{ status: string }>("getState")).status;
  }

  /** What the program gets for a URL that it asks for itself. */
  async outside(url: string): Promise<string> {
    return (await this.started(`/get?url=${encodeURIComponent(url)}`)).text;
  }

  webSocket(path: string): WebSocket {
    const base = this.platform.url(this.app).replace("http", "ws");
    return new WebSocket(`${base}/${this.className}/${this.id}/fetch${path}`, {
      lookup: (_name, options, done) => (options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4)),
    });
  }
}

/** The application that both sides are: the same files, and for the published class an alias, as its users have it. */
export function conformanceApp(name: string, published: boolean): AppDirectory {
  const from = (file: string) => readFileSync(join(repository, file), "utf8");
  const config = {
    name,
    main: "index.js",
    compatibility_date: "2026-04-01",
    ...(published ? { alias: { "@longshore/containers": "@cloudflare/containers" } } : {}),
    vars: { SECRET: "the Worker's" },
    containers: CLASSES.map((class_name) => {
      return { class_name, image: "./Dockerfile", max_instances: class_name === "Few" ? 1 : 60, instance_type: "standard-1" };
    }),
    durable_objects: { bindings: CLASSES.map((class_name) => ({ name: class_name, class_name })) },
    migrations: [{ tag: "v1", new_sqlite_classes: CLASSES }],
  };
  const files = ["Dockerfile", "index.js", "container/server.js"].map((file) => [file, from(`tests/conformance/app/${file}`)]);
  return appDirectory({
    files: {
      "wrangler.jsonc": JSON.stringify(config),
      "container/websocket.js": from("examples/hello/container/websocket.js"),
      ...Object.fromEntries(files),
    },
  });
}
