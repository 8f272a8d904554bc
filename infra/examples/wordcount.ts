/** Word count as modules. A word is a longest run of bytes other than space, \t, \n, \v, \f and \r, as it stands. */
import type { MapProgram, ReduceProgram } from 'feitian/sdk';

const SPACE = 0x20;
const TAB = 0x09;
const CARRIAGE_RETURN = 0x0d;

export const map: MapProgram = {
  map({ buffer, start, end }, emit) {
    let word = start;
    for (let i = start; i < end; i++) {
      const byte = buffer[i]!;
      if (byte !== SPACE && (byte < TAB || byte > CARRIAGE_RETURN)) continue;
      if (word < i) emit.range(buffer, word, i, 1);
      word = i + 1;
    }
    if (word < end) emit.range(buffer, word, end, 1);
  },
  combine: 'sum',
};

export const reduce: ReduceProgram = {
  reduce(word, counts, emit) {
    emit(word, counts.sum());
  },
};
