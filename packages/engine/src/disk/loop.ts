import { closeSync, existsSync, openSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { callInBackground } from "../sys/background-call.js";
import { ERRNO, libcFunction, SystemCallError } from "../sys/libc.js";

/** Numbers of linux/loop.h. */
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_MAJOR = 7;
const FLAG_READ_ONLY = 1;
const FLAG_AUTOCLEAR = 4;
const FLAG_DIRECT_IO = 16;
/** struct loop_config: fd and block size, then struct loop_info64 with its flags at byte 52. */
const CONFIG_BYTES = 304;
const CONFIG_BLOCK_SIZE = 4;
const CONFIG_FLAGS = 8 + 52;

const BLOCK_SIZE = 4096;
const CONTROL = "/dev/loop-control";
const S_IFBLK = 0o060000;
/** Another process may take the device that the kernel has just named as free. */
const ATTEMPTS = 64;

const control = libcFunction("int ioctl(int fd, unsigned long request, long argument)");
const configure = libcFunction("int ioctl(int fd, unsigned long request, const void *argument)");
const makeNode = libcFunction("int mknod(const char *path, unsigned int mode, unsigned long device)");

/** A block device made of a file. Dispose of it once the device is mounted: the kernel takes it apart with the last mount. */
export interface LoopDevice extends Disposable {
  readonly path: string;
}

/** True when this host can make loop devices. */
export function hasLoopDevices(): boolean {
  return existsSync(CONTROL);
}

/**
 * Makes a block device of a file. The device ends by itself when nobody has it open or mounted, so a killed process leaves none behind.
 * Where the host's file system can, it is read and written past the page cache: what a container writes is cached once, not twice.
 * Errors: `UNAVAILABLE` when the host gives no device.
 */
export async function attachLoop(file: string, readOnly = false): Promise<LoopDevice> {
  const mode = readOnly ? "r" : "r+";
  const backing = openSync(file, mode);
  const controller = openSync(CONTROL, "r+");
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { result: number, errno } = await callInBackground(control, controller, LOOP_CTL_GET_FREE, 0);
      if (number < 0) throw new SystemCallError("ioctl", CONTROL, errno);
      const device = await configured(deviceFile(number), mode, loopConfig(backing, readOnly));
      if (device !== undefined) return device;
    }
  } catch (cause) {
    throw noDevice(file, cause);
  } finally {
    closeSync(controller);
    closeSync(backing);
  }
  throw noDevice(file);
}

/** `undefined` when another process has the device by now. */
async function configured(path: string, mode: string, config: Buffer): Promise<LoopDevice | undefined> {
  const device = openSync(path, mode);
  const { result, errno } = await callInBackground(configure, device, LOOP_CONFIGURE, config);
  if (result === 0) return { path, [Symbol.dispose]: () => closeSync(device) };
  closeSync(device);
  if (errno === ERRNO.EBUSY) return undefined;
  throw new SystemCallError("ioctl", path, errno);
}

function loopConfig(backing: number, readOnly: boolean): Buffer {
  const config = Buffer.alloc(CONFIG_BYTES);
  config.writeUInt32LE(backing, 0);
  config.writeUInt32LE(BLOCK_SIZE, CONFIG_BLOCK_SIZE);
  // A file system that cannot do direct I/O is used without: the kernel does not fail for it.
  config.writeUInt32LE(FLAG_AUTOCLEAR | FLAG_DIRECT_IO | (readOnly ? FLAG_READ_ONLY : 0), CONFIG_FLAGS);
  return config;
}

/** The device's file, made where /dev is not the kernel's own file system. */
function deviceFile(number: number): string {
  const path = `/dev/loop${number}`;
  // Minor numbers: the low 8 bits, then 12 bits above the major's 12.
  const device = (number & 0xff) + LOOP_MAJOR * 0x100 + (number >> 8) * 0x100000;
  if (!existsSync(path) && makeNode(path, S_IFBLK | 0o600, device) !== 0) throw new SystemCallError("mknod", path);
  return path;
}

function noDevice(file: string, cause?: unknown): LongshoreError {
  return new LongshoreError("UNAVAILABLE", `The kernel gives no loop device for ${file}.`, {
    cause,
    hint: "See `losetup -l` for who has them, and the kernel's log for the reason.",
  });
}
