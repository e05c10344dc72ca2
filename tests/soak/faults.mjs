// `npm run faults`: kills the engine right before every step of everything it does, each time with a new engine, and checks what must hold whichever
// the step was. Then once more at the steps at which a child has just begun, with children that wait for two seconds: before they do anything, or
// (needs strace) in the middle of what they do.
//   npm run faults                        everything, about an hour
//   npm run faults -- start exec          these operations only
//   npm run faults -- start --at 7        one step
//   npm run faults -- --quick, --slow     without, or only with, slow children
import { OPERATIONS } from "../../packages/engine/dist/testing/faults/operations.js";
import { everyChild, everyRuntime, everyStep, walkOperation } from "../../packages/engine/dist/testing/faults/run-walk.js";

/** Of the two hundred or so calls about files and processes that each process of the runtime makes, those at which it is held up. */
const RUNTIME_CALLS = Array.from({ length: 20 }, (_, index) => 5 + 10 * index);

const words = process.argv.slice(2);
const at = words.includes("--at") ? Number(words[words.indexOf("--at") + 1]) : undefined;
const names = words.filter((word) => !word.startsWith("-") && word !== String(at));
const ways = [
  ...(words.includes("--slow") ? [] : [{ slow: undefined, choice: everyStep }]),
  ...(words.includes("--quick") ? [] : [{ slow: "begin", choice: everyChild }]),
  ...(words.includes("--quick") ? [] : RUNTIME_CALLS.map((slow) => ({ slow, choice: everyRuntime }))),
];

// Whoever interrupts this is left with no containers either: the step that is being walked is ended first.
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => interrupted.abort());

let kills = 0;
let findings = 0;
for (const operation of OPERATIONS.filter(({ name }) => names.length === 0 || names.includes(name))) {
  for (const { slow, choice } of ways) {
    if (interrupted.signal.aborted) break;
    const began = Date.now();
    const before = { kills, findings };
    kills += await walkOperation(operation, at === undefined ? choice : () => [at], slow, {
      signal: interrupted.signal,
      told: (step, of, what) => progress(`${operation.name} ${step}/${of} ${what}`),
      found(finding) {
        findings++;
        report(finding);
      },
    });
    const seconds = Math.round((Date.now() - began) / 1000);
    const way = slow === undefined ? "" : `, children wait at ${slow}`;
    console.log(`${operation.name}${way}: ${kills - before.kills} kills, ${findings - before.findings} findings, ${seconds} s`);
  }
}
console.log(JSON.stringify({ kills, findings }));
process.exitCode = findings === 0 && !interrupted.signal.aborted ? 0 : 1;

function report({ operation, at: number, step, slow, problem, log }) {
  console.log(`${operation}${slow === undefined ? "" : `, children wait at ${slow}`}, killed before step ${number} (${step}):`);
  console.log(problem instanceof Error ? problem.message : problem);
  if (words.includes("--verbose")) console.log(problem, log);
}

function progress(text) {
  if (words.includes("--verbose")) console.log(text);
}
