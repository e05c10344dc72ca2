import { join } from "node:path";
import { command } from "./command.mjs";
import { debianPrograms } from "./debian.mjs";

/**
 * The load generator: `wrk` from Debian.
 *
 * @param {{ directory: string, log: (message: string) => void }} options
 * @returns {Promise<(load: Load) => Promise<Outcome>>} runs one load
 *
 * @typedef {object} Load
 * @property {string} url
 * @property {string} [hostHeader]
 * @property {number} connections kept alive, each with one request at a time
 * @property {number} seconds
 * @property {number} [networkOf] pid of a process whose network namespace the load is made in
 *
 * @typedef {{ rps: number, p50: number, p99: number }} Outcome latencies in ms
 */
export async function loadGenerator({ directory, log }) {
  const environment = await debianPrograms(["wrk"], ["wrk"], join(directory, "wrk-package"), log);
  const env = { ...process.env, ...environment };
  return async ({ url, hostHeader, connections, seconds, networkOf }) => {
    const host = hostHeader === undefined ? [] : ["-H", `Host: ${hostHeader}`];
    const wrk = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", ...host, url];
    const enter = networkOf === undefined ? [] : ["nsenter", "-t", String(networkOf), "-n", "--"];
    const [program, ...args] = [...enter, ...wrk];
    return outcomeFrom(await command(program, args, { env }));
  };
}

const UNIT_MS = { us: 0.001, ms: 1, s: 1000 };

function outcomeFrom(output) {
  const failures = /^\s*(Non-2xx.*|Socket errors.*)$/m.exec(output);
  if (failures !== null) throw new Error(`Requests failed under load: ${failures[1]}`);
  const latency = (share) => {
    const [, number, unit] = new RegExp(`^\\s+${share}%\\s+([\\d.]+)(us|ms|s)`, "m").exec(output);
    return Number(number) * UNIT_MS[unit];
  };
  return { rps: Number(/^Requests\/sec:\s+([\d.]+)/m.exec(output)[1]), p50: latency(50), p99: latency(99) };
}
