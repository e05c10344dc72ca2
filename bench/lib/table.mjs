/** Rows as text in columns; the first row is the heading. Numbers are right-aligned. */
export function table(rows) {
  const text = rows.map((row) => row.map((cell) => (typeof cell === "number" ? cell.toFixed(cell < 1000 ? 2 : 0) : String(cell))));
  const widths = text[0].map((_, column) => Math.max(...text.map((row) => row[column].length)));
  return text
    .map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  "))
    .join("\n");
}
