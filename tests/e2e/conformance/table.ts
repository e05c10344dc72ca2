import type { Row } from "./row.js";

/** How the rows went for one class: for each promise, what it failed with, or nothing. */
export type Outcomes = ReadonlyMap<Row, string | undefined>;

const HEAD = `# One suite, two classes

The same application, once with \`@longshore/containers\` and once with the published \`@cloudflare/containers\` 0.3.7 in its place, on one Longshore: real workerd, real
containers. What is asked is what the documentation says and what the public package's own tests look at; the code is ours (\`tests/e2e/conformance\`). A first request that
fails is made again, as those tests do. Two of the published one's rows are Longshore's doing: the engine holds a connection to a port that is not open yet, where the public platform
refuses it, and the published class waits on when it is given up (\`portReadyTimeoutMS\`); and workerd passes on no reason for a start that was refused (503). This page is written by the suite (\`npm run conformance\`), and a test fails when a row or our column is not
current; some of what the published one holds depends on how busy the machine is.
`;

/** The page that shows each row for both classes. */
export function page(all: readonly Row[], ours: Outcomes, published: Outcomes): string {
  const sources = [...new Set(all.map(({ source }) => source))];
  const sections = sources.map((source) => {
    const lines = all
      .filter((row) => row.source === source)
      .map((row) => `| ${row.promise} | ${mark(ours, row)} | ${mark(published, row)} |`);
    return `## ${source}\n\n| | ours | published |\n|---|---|---|\n${lines.join("\n")}\n`;
  });
  const held = (outcomes: Outcomes) => all.filter((row) => outcomes.get(row) === undefined).length;
  return `${HEAD}\nOf ${all.length} rows ours holds ${held(ours)}, the published one ${held(published)}.\n\n${sections.join("\n")}`;
}

function mark(outcomes: Outcomes, row: Row): string {
  return outcomes.get(row) === undefined ? "yes" : "**no**";
}
