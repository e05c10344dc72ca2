// Import this before anything else of the engine: it gives the test's process a network of its own, which stands for the host's.
// Nothing that a test does to addresses, routes and ports then reaches the machine.
import { execFileSync } from "node:child_process";
import { newNetworkNamespace } from "../sys/libc.js";

newNetworkNamespace();
execFileSync("ip", ["link", "set", "lo", "up"]);
