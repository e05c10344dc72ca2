import { removeDevelopmentImages } from "@longshore/build";
import { LongshoreError } from "@longshore/contract";
import { dataDirectory, engineAccess, readPresence, readSettings, startDevEngine } from "@longshore/server";
import type { Command, Output } from "../command.js";
import { requireReady } from "../doctor/require-ready.js";
import { inheritedEnvironment } from "../settings.js";
import { callWrangler, takeData } from "../wrangler/call.js";
import { buildSettingsOf, developmentEnvironment, wranglerEnvironment } from "../wrangler/environment.js";

export const devCommand: Command = {
  name: "dev",
  summary: "wrangler dev, with containers and without Docker",
  help: `Usage: longshore dev [--data <dir>] [wrangler's options]

Runs "wrangler dev" in this directory on Longshore's engine: the one of "longshore up" where that runs, else one that is started for it and ends with
it. All options but --data are wrangler's, and so are the keys: r builds the images again, x ends. At the end no container and no image is left,
but the layers that the next build can use again.

Examples:
  longshore dev
  longshore dev --port 3000`,
  options: {},
  passesOn: true,
  async run(_values, argv, output) {
    const { data: named, rest } = takeData(argv);
    const data = dataDirectory(named);
    await using engine = await engineFor(data, output);
    const environment = inheritedEnvironment();
    const defaults = { ...engine.environment, ...developmentEnvironment(data, engine.dockerSocket) };
    try {
      return await callWrangler(["dev", ...rest], { ...defaults, ...environment });
    } finally {
      await removeDevelopmentImages({ ...buildSettingsOf(data), engineSocket: engine.dockerSocket });
    }
  },
};

interface UsableEngine extends AsyncDisposable {
  readonly dockerSocket: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** The engine of the installation that runs on the data directory, or one for now. */
async function engineFor(data: string, output: Output): Promise<UsableEngine> {
  const presence = presenceOf(data);
  if (presence !== undefined) {
    const environment = wranglerEnvironment(data, presence);
    return { dockerSocket: engineAccess(data).dockerSocket, environment, [Symbol.asyncDispose]: async () => undefined };
  }
  const settings = readSettings({ data, pool: 1 });
  await requireReady(settings);
  const engine = await startDevEngine(settings, (message) => output.note(message));
  return { dockerSocket: engine.dockerSocket, environment: {}, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() };
}

function presenceOf(data: string) {
  try {
    return readPresence(data);
  } catch (error) {
    if (error instanceof LongshoreError && error.code === "UNAVAILABLE") return undefined;
    throw error;
  }
}
