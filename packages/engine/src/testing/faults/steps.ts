import { ChildProcess } from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { Server, Socket } from "node:net";
import { basename } from "node:path";
import koffi from "koffi";
import { patchFiles } from "./file-steps.js";

/**
 * Ends this process by SIGKILL at a chosen step of what it does. A step is anything that outlives the process or is seen from outside: a change of a
 * file, a mount, a device, a message to the kernel's network, a signal, a child (before it is made, and when it has just been), bytes for a
 * child, an answer. Import this before everything else: it replaces functions of Node.js and of koffi that others take as they load.
 */
type Callable = (...args: unknown[]) => unknown;

const kill = process.kill.bind(process);
let armed = false;
let killAt = Number.POSITIVE_INFINITY;
let taken: string[] = [];

/** Counts from now on; the process ends right before step number `at`, if it gets there. */
export function arm(at: number): void {
  armed = true;
  killAt = at;
  taken = [];
}

/** Stops counting; returns the names of the steps that were taken. */
export function disarm(): string[] {
  armed = false;
  return taken;
}

function step(name: string): void {
  if (!armed) return;
  taken.push(name);
  if (taken.length >= killAt) kill(process.pid, "SIGKILL");
}

/** System calls without a wrapper in the C library, by number: fsconfig (its last command only), move_mount, mount_setattr. */
const FSCONFIG = 431;
const FSCONFIG_CREATE = 6;
const LASTING_NUMBERS = new Set([429, 442]);
const LOOP_CONFIGURE = 0x4c0a;

/** C functions with a lasting effect: all else that a process asks of the kernel ends with it. */
const LASTING: Readonly<Record<string, (args: readonly unknown[]) => boolean>> = {
  mount: () => true,
  umount2: () => true,
  mkfifo: () => true,
  mknod: () => true,
  lsetxattr: () => true,
  send: () => true,
  ioctl: ([, request]) => request === LOOP_CONFIGURE,
  syscall: ([number, , command]) => LASTING_NUMBERS.has(Number(number)) || (number === FSCONFIG && command === FSCONFIG_CREATE),
};

function patchNative(): void {
  const load = koffi.load.bind(koffi);
  koffi.load = (...args) => {
    const library = load(...args);
    const define = library.func.bind(library) as Callable;
    // The library itself cannot be changed. Nothing else of it is used.
    return {
      func: (...definition: unknown[]) => counted(nameOf(definition), define(...definition) as NativeFunction),
    } as unknown as typeof library;
  };
}

type NativeFunction = Callable & { async: Callable };

/** A function is defined by its C prototype, or by its name, result and parameters. */
function nameOf(definition: readonly unknown[]): string {
  const [first] = definition;
  return definition.length === 1 ? (/(\w+)\s*\(/.exec(String(first))?.[1] ?? "") : String(first);
}

function counted(name: string, call: NativeFunction): NativeFunction {
  const lasts = LASTING[name];
  if (lasts === undefined) return call;
  const through =
    (target: Callable): Callable =>
    (...values) => {
      if (lasts(values)) step(name);
      return target(...values);
    };
  return Object.assign(through(call), { async: through(call.async) });
}

function patchChildren(): void {
  const prototype = ChildProcess.prototype as unknown as {
    spawn: (this: ChildProcess, options: { file: string; args: string[] }) => unknown;
  };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const name = [basename(options.file), ...options.args.slice(1).filter((word) => /^[a-z]+$/.test(word))].slice(0, 2).join(" ");
    step(`spawn ${name}`);
    const result = spawn.call(this, options);
    step(`spawned ${name}`);
    const input = this.stdin;
    if (input !== null && input !== undefined) {
      const write = input.write.bind(input) as Callable;
      input.write = ((...args: unknown[]) => {
        step(`feed ${name}`);
        return write(...args);
      }) as typeof input.write;
    }
    return result;
  };
}

function patchAnswers(): void {
  const { write } = Socket.prototype;
  Socket.prototype.write = function (this: Socket, ...args: unknown[]) {
    if (typeof args[0] === "string" && args[0].startsWith("HTTP/1.1 ")) step("answer");
    return (write as Callable).apply(this, args) as boolean;
  } as typeof write;
  const { listen } = Server.prototype;
  Server.prototype.listen = function (this: Server, ...args: unknown[]) {
    if (typeof args[0] === "string") step(`listen ${basename(args[0])}`);
    return (listen as Callable).apply(this, args) as Server;
  } as typeof listen;
}

process.kill = (pid, signal) => {
  if (signal !== 0) step(`signal ${signal}`);
  return kill(pid, signal);
};
patchFiles(step);
patchNative();
patchChildren();
patchAnswers();
syncBuiltinESMExports();
