const LOOK_EVERY_MS = 20;

/**
 * Looks until there is something to see, and returns it: for what has no event that a test could wait for.
 * Throws when nothing is there after `deadlineMs`; `what` says what was waited for.
 */
export async function eventually<T>(what: string, deadlineMs: number, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`Within ${deadlineMs} ms there was not: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
