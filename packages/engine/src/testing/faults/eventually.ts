const LOOK_MS = 100;

/** Resolves once `check` passes; rejects with its last failure when it never does. */
export async function eventually(check: () => void | Promise<void>, deadlineMs = 20_000): Promise<void> {
  for (const deadline = Date.now() + deadlineMs; ; ) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}
