// `npm run crash`: clients write to every store of an installation while its processes are killed at random moments; then every acknowledged write
// must be there, and each that failed whole or absent. A round is 40 kills; each has a seed of its own, which is printed.
//   npm run crash                          20 rounds, about half an hour
//   npm run crash -- --rounds=2
//   npm run crash -- --seed=7 --kills=10   one round again; the order of kills is the seed's, their moment among the writes is not
import { randomInt } from "node:crypto";
import { Platform } from "@longshore/testkit";
import { crash } from "../dist/e2e/crash/crash.js";
import { prepareStores } from "../dist/e2e/crash/stores.js";

const option = (name) => process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
const seed = option("seed");
const rounds = seed === undefined ? Number(option("rounds") ?? 20) : 1;
const kills = Number(option("kills") ?? 40);

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => interrupted.abort());

const total = { kills: 0, acknowledged: 0, failed: 0, findings: 0 };
for (let round = 0; round < rounds && !interrupted.signal.aborted; round++) {
  const roundSeed = Number(seed ?? randomInt(2 ** 31));
  const platform = await Platform.start({ images: [] });
  try {
    const { stores, app } = await prepareStores(platform);
    app[Symbol.dispose]();
    const result = await crash(platform, stores, { seed: roundSeed, kills, signal: interrupted.signal });
    console.log(JSON.stringify({ seed: roundSeed, ...result }));
    total.kills += Object.values(result.kills).reduce((sum, each) => sum + each, 0);
    for (const key of ["acknowledged", "failed"]) total[key] += result[key];
    total.findings += result.findings.length;
    if (result.findings.length > 0) console.log(platform.logs());
  } finally {
    await platform[Symbol.asyncDispose]();
  }
}
console.log(JSON.stringify(total));
process.exitCode = total.findings === 0 && !interrupted.signal.aborted ? 0 : 1;
