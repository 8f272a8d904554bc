import type { PanguClient } from '../../services/pangu/contract.ts';

export interface Counted {
  /** Sum of all counts. */
  words: number;
  distinct: number;
  /** Most frequent first; of equals the bytewise smaller word. */
  top: { word: string; count: number }[];
  files: number;
  bytes: number;
}

const NEWLINE = 0x0a;
const TAB = 0x09;

/** Reads the job's output, lines of `word\tcount`, as it lies in Pangu. */
export async function readCounts(pangu: PanguClient, directory: string, most: number): Promise<Counted> {
  const counted: Counted = { words: 0, distinct: 0, top: [], files: 0, bytes: 0 };
  for await (const { path, size } of pangu.readdir(directory)) {
    counted.files++;
    counted.bytes += size;
    let rest: Buffer = Buffer.alloc(0);
    for await (const piece of pangu.createReadStream(path)) {
      const bytes = rest.length > 0 ? Buffer.concat([rest, piece as Buffer]) : (piece as Buffer);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        take(counted, bytes.subarray(start, end), most);
        start = end + 1;
      }
      rest = bytes.subarray(start);
    }
    if (rest.length > 0) take(counted, rest, most);
  }
  return counted;
}

function take(counted: Counted, line: Buffer, most: number): void {
  const tab = line.lastIndexOf(TAB);
  const count = Number(line.subarray(tab + 1).toString('latin1'));
  if (tab < 0 || !Number.isSafeInteger(count))
    throw new Error(`the output has a line that is no count: ${JSON.stringify(line.toString())}`);
  counted.words += count;
  counted.distinct++;
  const { top } = counted;
  if (top.length === most && count < top[most - 1]!.count) return;
  const word = line.subarray(0, tab).toString('utf8');
  let at = top.length;
  while (at > 0 && (top[at - 1]!.count < count || (top[at - 1]!.count === count && top[at - 1]!.word > word))) at--;
  top.splice(at, 0, { word, count });
  top.length = Math.min(top.length, most);
}
