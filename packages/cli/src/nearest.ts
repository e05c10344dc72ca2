/**
 * The one of `names` that `word` was probably meant to be: one letter wrong, missing, too many or exchanged with its neighbour, or two in words of six
 * letters and more. `undefined` when there is none.
 */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const close = names
    .map((name) => ({ name, distance: distance(word, name) }))
    .filter((each) => each.distance <= (word.length < 6 ? 1 : 2));
  return close.sort((a, b) => a.distance - b.distance)[0]?.name;
}

/** Edits between two words, where exchanged neighbours are one (optimal string alignment). */
function distance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= from.length; row++) {
    const line = [row];
    rows.push(line);
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1] ? 0 : 1;
      const exchanged = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      line[column] = Math.min(
        at(rows, row - 1, column) + 1,
        at(rows, row, column - 1) + 1,
        at(rows, row - 1, column - 1) + same,
        exchanged ? at(rows, row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
  }
  return at(rows, from.length, to.length);
}

function at(rows: readonly (readonly number[])[], row: number, column: number): number {
  return rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
}
