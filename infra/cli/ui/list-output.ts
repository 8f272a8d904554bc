import { writeOut } from './copy/standard.ts';

/** A list of any length as JSON, entry by entry, so that none of it is held: `[`, entries, `]`. Reads like the others when it ends. */
export class JsonList {
  #count = 0;

  /** @returns whether anybody still reads */
  add(value: unknown): Promise<boolean> {
    const text = JSON.stringify(value, null, 2).replaceAll('\n', '\n  ');
    return writeOut(`${this.#count++ === 0 ? '[\n' : ',\n'}  ${text}`);
  }

  end(): Promise<boolean> {
    return writeOut(this.#count === 0 ? '[]\n' : '\n]\n');
  }
}
