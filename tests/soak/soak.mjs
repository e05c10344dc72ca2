// `npm run soak`: 1,000 containers are started, asked, stopped and removed, and 200 crash; everything that the kernel counts is counted before and
// after. The last line is one JSON object.
//   npm run soak -- --cycles 100 --crashes 20
import { soak } from "../../packages/engine/dist/testing/soak/soak.js";

const words = process.argv.slice(2);
const size = {
  warmUp: number("warm-up", 100),
  cycles: number("cycles", 1_000),
  crashes: number("crashes", 200),
  width: number("width", 4),
};
// Whoever interrupts this is left with no containers either.
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => interrupted.abort());

const began = Date.now();
const told = (done) => {
  if (done % 100 === 0) console.log(`${done} containers, ${Math.round((Date.now() - began) / 1000)} s`);
};
const report = await soak(size, told, interrupted.signal);
const width = Math.max(...Object.keys(report.after).map((name) => name.length));
for (const name of new Set([...Object.keys(report.before), ...Object.keys(report.after)])) {
  console.log(`${name.padEnd(width)} ${String(report.before[name] ?? 0).padStart(6)} ${String(report.after[name] ?? 0).padStart(6)}`);
}
for (const line of report.differences) console.log(`differs: ${line}`);
console.log(JSON.stringify({ ...size, seconds: Math.round((Date.now() - began) / 1000), ...report }));
process.exitCode = report.differences.length === 0 ? 0 : 1;

function number(name, otherwise) {
  const at = words.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(words[at + 1]);
}
