import type { PanguClient } from '../../services/pangu/contract.ts';
import { createBytesBar } from '../cli/ui/bars.ts';
import type { Texts } from './texts.ts';
import { WordTally } from './word-tally.ts';

export interface PutTexts {
  files: number;
  bytes: number;
  /** Counted on the way, by nothing that the job uses. */
  words: number;
}

/** Cuts 100 MB into about 25 instances, so that there is something to see, and to lose. */
const CHUNK_BYTES = 4 * 1024 * 1024;

export async function putTexts(pangu: PanguClient, directory: string, texts: Texts, signal: AbortSignal): Promise<PutTexts> {
  const tally = new WordTally();
  const put: PutTexts = { files: 0, bytes: 0, words: 0 };
  const bar = createBytesBar('  put', texts.bytes);
  try {
    for await (const { name, pieces } of texts.files()) {
      const file = await pangu.open(`${directory}/${name}`, 'wx', { chunkBytes: CHUNK_BYTES, parents: true });
      for await (const piece of pieces) {
        signal.throwIfAborted();
        tally.add(piece);
        await file.write(piece);
        put.bytes += piece.length;
        bar.add(piece.length);
      }
      tally.endOfFile();
      await file.close();
      put.files++;
    }
  } finally {
    bar.stop();
  }
  return { ...put, words: tally.words };
}
