import type { Api } from "./api.js";
import type { Store } from "./store.js";
import { valueFor, writeOf } from "./values.js";

export class SecretsStore implements Store {
  readonly name = "secrets";
  readonly places = 2;

  constructor(readonly api: Api) {}

  async write(place: string, n: number): Promise<void> {
    await this.api.json("PUT", "workers/scripts/crash-secrets/secrets", {
      name: `S${place}`,
      text: valueFor(n, 4_000),
      type: "secret_text",
    });
  }

  async read(place: string): Promise<number | undefined> {
    const text = await answerOf(this.api, "crash-secrets", `/S${place}`);
    return text === "" ? undefined : writeOf(text);
  }
}

export class DeployStore implements Store {
  readonly name = "deploys";
  readonly places = 1;

  constructor(readonly api: Api) {}

  async write(place: string, n: number): Promise<void> {
    await this.api.deploy(`crash-deploy-${place}`, deployedCode(n));
  }

  async read(place: string): Promise<number | undefined> {
    const text = await answerOf(this.api, `crash-deploy-${place}`, "/");
    // The one that was there before the first write is none.
    return writeOf(text) || undefined;
  }
}

async function answerOf(api: Api, script: string, path: string): Promise<string> {
  const answer = await api.platform.fetch(script, path);
  const text = await answer.text();
  if (answer.status === 200) return text;
  throw new Error(`The Worker answered ${answer.status} ${text}`);
}

export function deployedCode(n: number): string {
  return `export default { fetch() { return new Response(${JSON.stringify(valueFor(n, 200_000))}) } }`;
}

/** Custom domains in one place, routes in the other: the edge must lead to the Worker by what was written last, and by nothing from before. */
export class AddressStore implements Store {
  readonly name = "custom domains and routes";
  readonly places = 2;
  readonly pauseMs = 50;

  constructor(readonly api: Api) {}

  async write(place: string, n: number): Promise<void> {
    const at = "workers/scripts/crash-secrets";
    if (place === "0") await this.api.json("PUT", `${at}/domains/records`, { origins: [{ hostname: this.#host(place, n, "localhost") }] });
    else await this.api.json("PUT", `${at}/routes`, [{ pattern: `${this.#host(place, n, "localhost")}/*` }]);
  }

  async read(place: string): Promise<number | undefined> {
    const listed = (await this.api.json("GET", place === "0" ? "workers/domains" : "workers/routes")) as {
      hostname?: string;
      pattern?: string;
    }[];
    const mine = listed.map(({ hostname, pattern }) => hostname ?? pattern ?? "").filter((each) => each.includes(".crash-address-"));
    if (mine.length > 1) throw new Error(`There are ${mine.join(", ")}.`);
    const n = Number(/^n(\d+)\./.exec(mine[0] ?? "")?.[1] ?? Number.NaN);
    if (Number.isNaN(n)) return undefined;
    const status = async (of: number) => (await this.api.platform.fetch(this.#host(place, of, "").slice(0, -1), "/")).status;
    if ((await status(n)) !== 200) throw new Error(`${mine[0]} leads nowhere.`);
    if (n > 2 && (await status(n - 2)) === 200) throw new Error(`What was there before ${mine[0]} still is.`);
    return n;
  }

  #host(place: string, n: number, end: string): string {
    return `n${n}.crash-address-${place}.${end}`;
  }
}

const [HOURS, MINUTES, DAYS] = [24, 60, 28];

/** The schedule of a Worker: the write's number as a time. */
export class CronStore implements Store {
  readonly name = "cron triggers";
  readonly places = 1;
  /** Each replaces a process. */
  readonly pauseMs = 500;

  constructor(readonly api: Api) {}

  async write(_place: string, n: number): Promise<void> {
    const cron = `${n % MINUTES} ${Math.floor(n / MINUTES) % HOURS} ${1 + (Math.floor(n / MINUTES / HOURS) % DAYS)} * *`;
    await this.api.json("PUT", "workers/scripts/crash-cron/schedules", [{ cron }]);
  }

  async read(): Promise<number | undefined> {
    const { schedules } = (await this.api.json("GET", "workers/scripts/crash-cron/schedules")) as { schedules: { cron: string }[] };
    const [minute, hour, day] = (schedules[0]?.cron ?? "").split(" ").map(Number);
    const isUp = (await this.api.platform.fetch("crash-cron", "/")).status === 200;
    if (!isUp) throw new Error("The Worker does not answer.");
    return schedules.length === 0 ? undefined : ((Number(day) - 1) * HOURS + Number(hour)) * MINUTES + Number(minute);
  }
}
