/** What must be known of a Dockerfile before buildah sees it: which images it needs, and for which platform. Not a full parser. */

/** One `FROM` and what follows it. */
export interface Stage {
  /** After variables: an image, an earlier stage's name, or `scratch`. */
  readonly from: string;
  readonly platform: string | undefined;
  /** Lower case. */
  readonly name: string | undefined;
  /** Images, stage names and stage numbers of `COPY --from=` and `RUN --mount=from=`. */
  readonly copiesFrom: readonly string[];
}

export interface Dockerfile {
  readonly stages: readonly Stage[];
  /** The stage that the built image comes from in the end, through stages that build on one another; `undefined` without a `FROM`. */
  readonly base: Stage | undefined;
  /** The images that the build reads: those of stages that it needs, each once, without `scratch`. */
  readonly images: readonly string[];
}

export interface DockerfileOptions {
  /** Values that override the defaults of `ARG`s before the first `FROM`. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Name or number of the stage to build; default the last one. */
  readonly target?: string | undefined;
}

/** Build and target are the same machine here, so these are all the same platform. */
const PLATFORM_ARGS: Readonly<Record<string, string>> = {
  BUILDPLATFORM: "linux/amd64",
  BUILDOS: "linux",
  BUILDARCH: "amd64",
  TARGETPLATFORM: "linux/amd64",
  TARGETOS: "linux",
  TARGETARCH: "amd64",
};

/** The images that a build of this text takes from a registry or from storage, in the order it needs them. Never throws. */
export function baseImages(text: string, options: DockerfileOptions = {}): string[] {
  return [...readDockerfile(text, options).images];
}

/** Reads the stages of a Dockerfile. Never throws: what it does not understand is left to buildah. */
export function readDockerfile(text: string, { buildArgs = {}, target }: DockerfileOptions = {}): Dockerfile {
  const args: Record<string, string> = { ...PLATFORM_ARGS };
  const stages: (Stage & { copiesFrom: string[] })[] = [];
  for (const [instruction, rest] of instructions(text)) {
    const stage = stages.at(-1);
    if (instruction === "FROM") {
      const next = readFrom(rest, args);
      if (next !== undefined) stages.push(next);
    } else if (stage !== undefined) {
      stage.copiesFrom.push(...sourcesOf(instruction, rest));
    } else if (instruction === "ARG") {
      for (const [name, value] of argDefinitions(rest)) {
        const known = Object.hasOwn(buildArgs, name) ? buildArgs[name] : value;
        if (known !== undefined) args[name] = expand(unquote(known), args);
      }
    }
  }
  const last = (target === undefined ? undefined : findStage(target, stages)) ?? stages.at(-1);
  return { stages, ...trace(last, stages) };
}

/** Follows what the wanted stage needs, as buildah does, which leaves out every other stage. */
function trace(wanted: Stage | undefined, stages: readonly Stage[]): Pick<Dockerfile, "base" | "images"> {
  let base = wanted;
  const images = new Set<string>();
  const seen = new Set<Stage>();
  const visit = (stage: Stage, isBase: boolean) => {
    if (isBase) base = stage;
    if (seen.has(stage)) return;
    seen.add(stage);
    const earlier = stages.slice(0, stages.indexOf(stage));
    const parent = earlier.findLast((other) => other.name !== undefined && other.name === stage.from.toLowerCase());
    if (parent !== undefined) visit(parent, isBase);
    else if (stage.from !== "scratch") images.add(stage.from);
    for (const source of stage.copiesFrom) {
      const copied = findStage(source, earlier);
      if (copied !== undefined) visit(copied, false);
      else images.add(source);
    }
  };
  if (wanted !== undefined) visit(wanted, true);
  return { base, images: [...images] };
}

function findStage(word: string, stages: readonly Stage[]): Stage | undefined {
  return stages.findLast((stage) => stage.name === word.toLowerCase()) ?? (/^\d+$/.test(word) ? stages[Number(word)] : undefined);
}

/** Instructions with continuation lines joined and comments gone. */
function* instructions(text: string): Generator<[string, string]> {
  const continuation = /^\s*#\s*escape\s*=\s*`/im.test(text.split("\n", 2).join("\n")) ? "`" : "\\";
  let pending = "";
  for (const line of text.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const body = line.trimEnd();
    pending += body.endsWith(continuation) ? `${body.slice(0, -1)} ` : body;
    if (body.endsWith(continuation)) continue;
    const match = /^\s*([A-Za-z]+)\s+([\s\S]*)$/.exec(pending);
    if (match !== null) yield [(match[1] ?? "").toUpperCase(), match[2] ?? ""];
    pending = "";
  }
}

function readFrom(rest: string, args: Readonly<Record<string, string>>): (Stage & { copiesFrom: string[] }) | undefined {
  const words = rest.trim().split(/\s+/);
  let platform: string | undefined;
  while (words[0]?.startsWith("--")) {
    const flag = words.shift() ?? "";
    if (flag.startsWith("--platform=")) platform = expand(unquote(flag.slice("--platform=".length)), args);
  }
  const [image, as, name] = words;
  if (image === undefined || image === "") return undefined;
  const isNamed = as?.toLowerCase() === "as";
  return { from: expand(unquote(image), args), platform, name: isNamed ? name?.toLowerCase() : undefined, copiesFrom: [] };
}

function* argDefinitions(rest: string): Generator<[string, string | undefined]> {
  for (const match of rest.matchAll(/([A-Za-z_]\w*)(?:=("[^"]*"|'[^']*'|\S*))?/g)) yield [match[1] ?? "", match[2]];
}

/** What an instruction other than `FROM` reads from. A variable is not known here. */
function* sourcesOf(instruction: string, rest: string): Generator<string> {
  const pattern =
    instruction === "COPY" ? /^(?:--\S+\s+)*?--from=(\S+)/ : instruction === "RUN" ? /--mount=\S*\bfrom=([^\s,]+)/ : undefined;
  const source = pattern?.exec(rest)?.[1];
  if (source !== undefined && !source.includes("$")) yield unquote(source);
}

function unquote(text: string): string {
  return text.replace(/^(["'])(.*)\1$/, "$2");
}

/** `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+alternative}`. */
function expand(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})/g,
    (_all, plain: string, braced: string, operator: string, word: string) => {
      const name = plain ?? braced;
      const value = Object.hasOwn(values, name) ? (values[name] ?? "") : "";
      if (operator === "-") return value === "" ? word : value;
      if (operator === "+") return value === "" ? "" : word;
      return value;
    },
  );
}
