/** A part that an earlier part needs only once both are there: whoever asks too early waits. */
export interface KnownLater<T> {
  readonly value: Promise<T>;
  set(value: T): void;
}

export function knownLater<T>(): KnownLater<T> {
  let set: (value: T) => void = () => undefined;
  const value = new Promise<T>((resolve) => {
    set = resolve;
  });
  return { value, set: (known) => set(known) };
}
