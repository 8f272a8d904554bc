import { seededRandom } from '../../services/base/random.ts';

/**
 * Text from a seed: `words` distinct words whose frequencies follow Zipf's law (s = 1.05), lines of about 12 words. Frequencies are kept in a
 * table of 2^20 entries, so that drawing a word is one look-up.
 */
export function* zipfText(bytes: number, { seed = 42, words = 200_000, blockBytes = 1 << 22 } = {}): Generator<Buffer> {
  const random = seededRandom(seed);
  const vocabulary = Array.from({ length: words }, () => {
    const length = 2 + random.int(10);
    return Buffer.from(Array.from({ length }, () => 97 + random.int(26)));
  });
  const table = zipfTable(words, 1 << 20);
  let state = seed >>> 0;
  for (let made = 0; made < bytes; ) {
    const block = Buffer.allocUnsafe(Math.min(blockBytes, bytes - made));
    let at = 0;
    let column = 0;
    while (at < block.length) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const word = vocabulary[table[state >>> 12]!]!;
      if (at + word.length + 1 > block.length) break;
      block.set(word, at);
      at += word.length;
      block[at++] = ++column % 12 === 0 ? 10 : 32;
    }
    block.fill(10, at);
    made += block.length;
    yield block;
  }
}

function zipfTable(words: number, size: number): Uint32Array {
  const weights = Float64Array.from({ length: words }, (_, rank) => 1 / (rank + 1) ** 1.05);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const table = new Uint32Array(size);
  let word = 0;
  let reached = weights[0]! / total;
  for (let i = 0; i < size; i++) {
    while ((i + 0.5) / size > reached && word < words - 1) reached += weights[++word]! / total;
    table[i] = word;
  }
  return table;
}
