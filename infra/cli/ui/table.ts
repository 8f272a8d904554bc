import { stripVTControlCharacters } from 'node:util';

export interface Column {
  title: string;
  /** @default 'left' */
  align?: 'left' | 'right';
  /** @default as wide as its widest cell */
  widthMin?: number;
}

/** Columns as wide as their widest cell, two spaces between them, no trailing blanks. Colours in cells do not count as width. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, i) =>
    rows.reduce((width, row) => Math.max(width, widthOf(row[i] ?? '')), Math.max(widthOf(column.title), column.widthMin ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, i) => {
        const cell = cells[i] ?? '';
        const blanks = ' '.repeat(widths[i]! - widthOf(cell));
        return align === 'right' ? blanks + cell : cell + blanks;
      })
      .join('  ')
      .trimEnd();
  return [line(columns.map((column) => column.title)), ...rows.map(line)].join('\n');
}

/** Columns a terminal gives to a text: two for CJK and other wide characters. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of stripVTControlCharacters(text)) width += WIDE.test(character) ? 2 : 1;
  return width;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u;
