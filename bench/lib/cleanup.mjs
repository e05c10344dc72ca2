/** Things to undo, in reverse order, whatever happened: also when the benchmark is interrupted. */
export class Cleanup {
  #tasks = [];
  #running;

  /** @param {() => unknown} task run once, at the end */
  defer(task) {
    this.#tasks.push(task);
  }

  /** Undoes everything; a task that fails is reported and does not keep the others from running. Safe to call twice. */
  async run() {
    this.#running ??= this.#runAll();
    await this.#running;
  }

  async #runAll() {
    for (const task of this.#tasks.reverse()) {
      try {
        await task();
      } catch (error) {
        console.error("Cleaning up:", error);
      }
    }
  }
}
