import koffi, { type KoffiFunc } from "koffi";

/** A C function of the kind that `libcFunction` gives. */
export type NativeCall = (...args: unknown[]) => number;

export interface NativeAnswer {
  readonly result: number;
  /** Means something only when `result` says that the call failed. */
  readonly errno: number;
}

/**
 * Makes a call that may wait for a disk on another thread. That thread has the host's mounts, not the engine's own: only calls on open files, or on
 * paths that are the same in both, belong here.
 */
export async function callInBackground(call: NativeCall, ...args: unknown[]): Promise<NativeAnswer> {
  return await new Promise((resolve, reject) => {
    (call as KoffiFunc<NativeCall>).async(...args, (error: unknown, result: number) => {
      if (error) reject(error);
      else resolve({ result, errno: koffi.errno() });
    });
  });
}
