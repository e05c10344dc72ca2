import { LongshoreError } from "@longshore/contract";
import { dataDirectory, engineAccess, type Presence, readPresence } from "@longshore/server";
import { z } from "zod";
import { type Command, text } from "../command.js";

const applications = z.object({
  success: z.literal(true),
  result: z.array(z.object({ id: z.string(), name: z.string(), version: z.number(), instances: z.number(), image: z.string() })),
});
const scripts = z.object({ success: z.literal(true), result: z.array(z.object({ id: z.string() })) });

export const statusCommand: Command = {
  name: "status",
  summary: "show what runs",
  help: `Usage: longshore status [--data <dir>] [--json]

Shows addresses, Workers and container applications of the installation on this machine. Exit code 1 when none runs.

Example:
  longshore status --json`,
  options: { data: { type: "string" }, json: { type: "boolean" } },
  async run(values, _words, output) {
    const data = dataDirectory(text(values, "data"));
    const presence = readPresence(data);
    const { dockerSocket } = engineAccess(data);
    const account = `/accounts/${presence.accountId}`;
    const [workers, containers] = await Promise.all([
      get(presence, `${account}/workers/scripts`, scripts),
      get(presence, `${account}/containers/dash/applications`, applications),
    ]);
    const { token: _secret, ...facts } = presence;
    if (values.json === true) {
      output.print(JSON.stringify({ ...facts, dockerSocket, workers: workers.result, containers: containers.result }, undefined, 2));
      return 0;
    }
    output.print(`Longshore runs since ${presence.startedAt} (process ${presence.pid}).
  Applications   ${presence.edgeUrl}
  API            ${presence.apiUrl}
  Registry       ${presence.registryHost}
  Docker socket  ${dockerSocket}  (root's: DOCKER_HOST=unix://${dockerSocket} docker ps)`);
    for (const { id } of workers.result) output.print(`Worker ${id}: ${presence.edgeUrl.replace("<name>", id)}`);
    for (const { name, version, instances, image } of containers.result)
      output.print(`Containers ${name}: version ${version}, ${instances} running, ${image}`);
    return 0;
  },
};

async function get<T>(presence: Presence, path: string, schema: z.ZodType<T>): Promise<T> {
  const response = await fetch(`${presence.apiUrl}${path}`, {
    headers: { authorization: `Bearer ${presence.token}` },
    signal: AbortSignal.timeout(10_000),
  }).catch((cause: unknown) => {
    throw new LongshoreError("UNAVAILABLE", `The API at ${presence.apiUrl} does not answer.`, {
      cause,
      hint: "The server may be restarting; look into its log.",
    });
  });
  return schema.parse(await response.json());
}
