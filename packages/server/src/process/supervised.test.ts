import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Start } from "./messages.js";
import { Supervised } from "./supervised.js";

/** Writes down what becomes of it, and its process id. */
const CHILD = `
  import { appendFileSync } from "node:fs";
  const write = (line) => appendFileSync(import.meta.dirname + "/events", line + "\\n");
  process.on("disconnect", () => process.exit());
  process.on("message", ({ kind }) => {
    write(kind + " " + process.pid);
    if (kind === "stop") process.exit();
    process.send({ kind: "ready", facts: {} });
  });`;

interface Place {
  readonly directory: string;
  readonly logFile: string;
  readonly program: string;
}

async function inDirectory(program: string, use: (place: Place) => Promise<void>) {
  const directory = mkdtempSync(join(tmpdir(), "longshore-supervised-"));
  const place = { directory, logFile: join(directory, "log"), program: join(directory, "child.mjs") };
  writeFileSync(place.program, program);
  await use(place).finally(() => rmSync(directory, { recursive: true }));
}

function supervised({ logFile, program }: Place, away: (isAway: boolean) => void = () => undefined): Supervised {
  return new Supervised({ name: "child", program, start: { settings: {} } as unknown as Start, logFile, notify: () => undefined, away });
}

test("a stop between two children waits for the next one, which ends what the one before has left", async () => {
  await inDirectory(CHILD, async (place) => {
    const events = () =>
      readFileSync(join(place.directory, "events"), "utf8")
        .trim()
        .split("\n")
        .map((line) => line.split(" "));
    let gone: () => void = () => undefined;
    const away = new Promise<void>((resolve) => {
      gone = resolve;
    });
    const child = supervised(place, (isAway) => (isAway ? gone() : undefined));
    await child.ready();
    process.kill(Number(events()[0]?.[1]), "SIGKILL");
    await away;
    await child.stop();
    const [first, second, third, ...more] = events();
    assert.deepEqual([first?.[0], second?.[0], third?.[0], more], ["start", "start", "stop", []]);
    assert.notEqual(first?.[1], second?.[1]);
    assert.equal(second?.[1], third?.[1]);
  });
});

test("a stop while no child can start lets one more end what is left, as one that nobody follows", async () => {
  // Starts once; from then on it cannot, and says whether what runs is to be left to a successor.
  const program = `
    import { appendFileSync, existsSync } from "node:fs";
    const file = import.meta.dirname + "/events";
    const isFirst = !existsSync(file);
    process.on("message", ({ kind, start }) => {
      appendFileSync(file, kind + " " + process.pid + " " + (start?.again === true ? "leave" : "end") + "\\n");
      if (isFirst) process.send({ kind: "ready", facts: {} });
      else if (kind === "start") process.send({ kind: "failed", code: "INTERNAL", message: "no" }, () => setTimeout(() => process.exit(1), 300));
    });`;
  await inDirectory(program, async (place) => {
    const events = () => readFileSync(join(place.directory, "events"), "utf8").trim().split("\n");
    const child = supervised(place);
    await child.ready();
    process.kill(Number(events()[0]?.split(" ")[1]), "SIGKILL");
    // The next one is being started, or has just said that it cannot.
    while (events().length === 1) await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.all([child.stop(), child.stop()]);
    await child.stop();
    const said = events().map((line) => line.replace(/ \d+ /, " "));
    assert.deepEqual(said, ["start end", "start leave", "start end"]);
  });
});

test("why a child does not start is told from the end of its output, however long that has become", async () => {
  await inDirectory('console.error("no room for it"); process.exit(3);', async (place) => {
    writeFileSync(place.logFile, "");
    // Longer than a string can be.
    truncateSync(place.logFile, 2 ** 30);
    const child = supervised(place);
    await assert.rejects(child.ready(), /The child ended with 3 while starting\.[\s\S]*no room for it/);
  });
});
