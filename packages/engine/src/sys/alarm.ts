/** The longest time that a timer of Node.js takes; beyond it, it would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Calls `ring` at `time` (ms since 1970), however far away, unless disposed before. A time that has passed is now. Keeps no process alive. */
export function alarm(time: number, ring: () => void): Disposable {
  let timer: NodeJS.Timeout;
  const arm = () => {
    const left = Math.max(0, time - Date.now());
    timer = setTimeout(() => (left > LONGEST_MS ? arm() : ring()), Math.min(left, LONGEST_MS));
    timer.unref();
  };
  arm();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
