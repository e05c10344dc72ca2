import { setTimeout as sleep } from "node:timers/promises";
import { LongshoreError } from "@longshore/contract";
import { dataDirectory, type Presence, readPresence } from "@longshore/server";
import { z } from "zod";
import { callApi } from "../api.js";
import { type Command, type Output, text, type Values } from "../command.js";
import { isActive, line, type Rollout, report, rollout } from "./rollout-report.js";

/** How often `--watch` looks. */
const LOOK_MS = 500;

export const rolloutCommand: Command = {
  name: "rollout",
  summary: "moves of containers to a new version: rollout list|status|next|previous|revert",
  help: `Usage: longshore rollout list <application>
       longshore rollout status <application> [<rollout>] [--watch]
       longshore rollout next|previous|revert <application> [<rollout>]

Shows and steers how an application's running containers move to the version that was deployed last. An application is named as "longshore
containers list" names it, or by its id; without an id the rollout is the newest.

  next           makes the next step of a manual rollout (rollout_kind "full_manual"), or goes on with one that a crash has stopped
  previous       goes back to the step before
  revert         moves every container back, and ends the rollout
  --watch        shows each change until the rollout is over, or stands still until it is told to go on. Exit code 1 when it was
                 stopped by a crash, reverted or replaced
  --data <dir>   the installation's data directory
  --json         print JSON; with --watch one line for each change

Examples:
  longshore rollout status hello-mycontainer --watch
  longshore rollout revert hello-mycontainer`,
  words: 3,
  options: { data: { type: "string" }, json: { type: "boolean" }, watch: { type: "boolean" } },
  async run(values, [action = "", application, id, ...more], output) {
    if (!["list", "status", "next", "previous", "revert"].includes(action) || more.length > 0 || (action === "list" && id !== undefined)) {
      throw new LongshoreError(
        "INVALID_INPUT",
        `"longshore rollout ${[action, application, id, ...more].join(" ").trim()}" is not a command.`,
        {
          hint: 'See "longshore rollout --help".',
        },
      );
    }
    if (application === undefined) {
      throw new LongshoreError("INVALID_INPUT", `Say which application: longshore rollout ${action} <application>.`, {
        hint: '"longshore containers list" names them.',
      });
    }
    const presence = readPresence(dataDirectory(text(values, "data")));
    const path = `/containers/applications/${await idOf(presence, application)}/rollouts`;
    const all = await callApi(presence, "GET", path, z.array(rollout));
    if (action === "list") return list(all, values, output);
    const chosen = id === undefined ? all[0] : all.find((each) => each.id === id);
    if (chosen === undefined) {
      throw new LongshoreError("NOT_FOUND", `The application "${application}" has no rollout${id === undefined ? "" : ` ${id}`}.`, {
        hint: "A deploy that changes the image or the size of containers makes one.",
      });
    }
    const one = `${path}/${chosen.id}`;
    if (action === "status") return await status(presence, one, chosen, values, output);
    const changed = await callApi(presence, "POST", one, z.object({ rollout }), { action });
    if (values.json === true) output.print(JSON.stringify(changed.rollout, undefined, 2));
    else output.print(report(changed.rollout));
    return 0;
  },
};

function list(all: readonly Rollout[], values: Values, output: Output): number {
  if (values.json === true) output.print(JSON.stringify(all, undefined, 2));
  else if (all.length === 0) output.note("There has been no rollout: the containers run what they were created with.");
  else for (const each of all) output.print(line(each));
  return 0;
}

async function status(presence: Presence, path: string, first: Rollout, values: Values, output: Output): Promise<number> {
  const show = (each: Rollout) =>
    output.print(values.json === true ? JSON.stringify(each, undefined, values.watch === true ? 0 : 2) : report(each));
  show(first);
  if (values.watch !== true) return 0;
  let last = first;
  for (let now = first; ; now = await callApi(presence, "GET", path, rollout)) {
    if (JSON.stringify(now) !== JSON.stringify(last)) show(now);
    last = now;
    if (!isActive(now)) return now.status === "completed" ? 0 : 1;
    if (now.state === "stopped") return 1;
    if (now.state === "waiting") return 0;
    await sleep(LOOK_MS);
  }
}

const applications = z.array(z.object({ id: z.string(), name: z.string() }));

async function idOf(presence: Presence, wanted: string): Promise<string> {
  const all = await callApi(presence, "GET", "/containers/applications", applications);
  const found = all.find(({ id, name }) => id === wanted || name === wanted);
  if (found !== undefined) return found.id;
  const names = all.map(({ name }) => name).join(", ");
  throw new LongshoreError("NOT_FOUND", `There is no container application "${wanted}".`, {
    hint: all.length === 0 ? "None is deployed." : `There are: ${names}.`,
  });
}
