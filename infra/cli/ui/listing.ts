import type { FileStat } from '../../../services/pangu/contract.ts';
import { shownName } from './file-view.ts';
import { renderTable, widthOf } from './table.ts';
import { formatBytes, formatTime } from './units.ts';

/** Rows that are laid out together. Columns only grow wider, so that those of a long list stay under each other. */
const ROWS = 1_000;

const COLUMNS = [
  { title: 'type' },
  { title: 'owner' },
  { title: 'copies', align: 'right' },
  { title: 'size', align: 'right' },
  { title: 'modified' },
  { title: 'name' },
] as const;

/** What `ls` prints, as it comes: names, or a table that is written a thousand rows at a time. */
export class Listing {
  readonly #long: boolean;
  readonly #nameOf: (entry: FileStat) => string;
  readonly #write: (text: string) => Promise<boolean>;
  readonly #widths: number[] = COLUMNS.map(({ title }) => title.length);
  #rows: string[][] = [];
  #begun = false;

  constructor(long: boolean, nameOf: (entry: FileStat) => string, write: (text: string) => Promise<boolean>) {
    this.#long = long;
    this.#nameOf = nameOf;
    this.#write = write;
  }

  /** @returns whether anybody still reads */
  async add(entry: FileStat): Promise<boolean> {
    const name = `${shownName(this.#nameOf(entry))}${entry.type === 'directory' ? '/' : ''}`;
    this.#rows.push(this.#long ? longRow(entry, name) : [name]);
    return this.#rows.length < ROWS || this.#flush();
  }

  async end(): Promise<boolean> {
    return this.#rows.length === 0 || this.#flush();
  }

  #flush(): Promise<boolean> {
    const rows = this.#rows;
    this.#rows = [];
    if (!this.#long) return this.#write(`${rows.map(([name]) => name).join('\n')}\n`);
    for (const row of rows) for (const [i, cell] of row.entries()) this.#widths[i] = Math.max(this.#widths[i]!, widthOf(cell));
    // The last column is not padded.
    const columns = COLUMNS.map((column, i) => ({ ...column, widthMin: i < COLUMNS.length - 1 ? this.#widths[i]! : 0 }));
    const table = renderTable(columns, rows);
    const text = this.#begun ? table.slice(table.indexOf('\n') + 1) : table;
    this.#begun = true;
    return this.#write(`${text}\n`);
  }
}

function longRow(entry: FileStat, name: string): string[] {
  const modified = formatTime(entry.modifiedAtMs);
  if (entry.type === 'directory') return ['directory', entry.owner, '', '', modified, name];
  const type = entry.state === 'open' ? 'open file' : 'file';
  return [type, entry.owner, String(entry.replicas), formatBytes(entry.size), modified, name];
}
