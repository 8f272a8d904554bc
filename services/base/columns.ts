/** Rows as lines of fixed-width text: each column as wide as its widest cell, two spaces between, the first `left` columns to the left and figures to the right. */
export function alignColumns(rows: readonly (readonly string[])[], { left }: { left: number }): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column < left ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}
