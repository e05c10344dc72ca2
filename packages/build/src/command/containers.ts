import { LongshoreError } from "@longshore/contract";
import { listContainers, removeContainer } from "../engine-client.js";
import { renderTemplate } from "../template.js";
import { table } from "./images.js";
import { print, readFlags, requireWords, type Verb } from "./verb.js";

/** `ps [-a] [--filter KEY=VALUE] [--format TEMPLATE]`: the engine's containers; none when there is no engine. */
export const list: Verb = async (args, { settings }) => {
  const { values } = readFlags("ps", args, {
    all: { type: "boolean", short: "a" },
    filter: { type: "string", short: "f", multiple: true },
    format: { type: "string" },
    "no-trunc": { type: "boolean" },
    quiet: { type: "boolean", short: "q" },
  });
  const containers = await listContainers(settings.engineSocket, values.all === true, readFilters(values.filter ?? []));
  const rows = containers.map((container) => ({
    ID: values["no-trunc"] === true ? container.Id : container.Id.slice(0, 12),
    Image: container.Image ?? "",
    Command: container.Command ?? "",
    CreatedAt: container.Created === undefined ? "" : new Date(container.Created * 1000).toISOString(),
    State: container.State ?? "",
    Status: container.Status ?? "",
    Names: (container.Names ?? []).map((name) => name.replace(/^\//, "")).join(","),
  }));
  if (values.quiet === true) for (const row of rows) print(row.ID);
  else if (values.format !== undefined && values.format !== "table") for (const row of rows) print(renderTemplate(values.format, row));
  else
    print(
      table(
        ["CONTAINER ID", "IMAGE", "STATUS", "NAMES"],
        rows.map((row) => [row.ID, row.Image, row.Status, row.Names]),
      ),
    );
  return 0;
};

/** `rm [--force] CONTAINER…` */
export const remove: Verb = async (args, { settings }) => {
  const { values, positionals } = readFlags("rm", args, {
    force: { type: "boolean", short: "f" },
    volumes: { type: "boolean", short: "v" },
  });
  if (positionals.length === 0) requireWords("rm", positionals, ["CONTAINER"]);
  for (const id of positionals) {
    const outcome = await removeContainer(settings.engineSocket, id, values.force === true);
    if (outcome === "missing" && values.force !== true) {
      throw new LongshoreError("NOT_FOUND", `There is no container "${id}".`, { hint: 'See what there is with "ps -a".' });
    }
    print(id);
  }
  return 0;
};

function readFilters(filters: readonly string[]): Record<string, string[]> {
  const read: Record<string, string[]> = {};
  for (const filter of filters) {
    const equals = filter.indexOf("=");
    if (equals < 0) throw new LongshoreError("INVALID_INPUT", `The filter "${filter}" is not of the form KEY=VALUE.`);
    const key = filter.slice(0, equals);
    read[key] = [...(read[key] ?? []), filter.slice(equals + 1)];
  }
  return read;
}
