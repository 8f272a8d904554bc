import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { type Random, seededRandom } from '../../services/base/random.ts';

/** The counts that `tr -s '[:space:]' '\n' | sort | uniq -c` gives in the C locale over all files, as sorted lines `word\tcount`. */
export async function referenceCounts(paths: string[]): Promise<string[]> {
  const shell = spawn('sh', ['-c', "tr -s '[:space:]' '\\n' | sort | uniq -c"], {
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const output: Buffer[] = [];
  shell.stdout.on('data', (piece: Buffer) => output.push(piece));
  const ended = once(shell, 'close');
  for (const path of paths) {
    for await (const piece of createReadStream(path)) if (!shell.stdin.write(piece)) await once(shell.stdin, 'drain');
    // A word does not go on in the next file.
    shell.stdin.write('\n');
  }
  shell.stdin.end();
  const [code] = await ended;
  if (code !== 0) throw new Error(`the reference pipeline exited with ${code}`);
  const lines = Buffer.concat(output).toString('latin1').split('\n').filter(Boolean);
  return lines
    .flatMap((line) => {
      const [, count, word] = /^ *(\d+) ?(.*)$/s.exec(line)!;
      return word === '' ? [] : [`${word}\t${count}`];
    })
    .sort(bytewise);
}

/** Lines of output files, byte for byte (as latin1 text), sorted. */
export function sortedLines(files: Buffer[]): string[] {
  return files.flatMap((file) => file.toString('latin1').split('\n').filter(Boolean)).sort(bytewise);
}

const bytewise = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Texts that a word count must get right: multi-byte characters, every separator, empty files, no final newline, lines longer than a chunk. */
export function awkwardTexts(seed: number, bytes: number, longLineBytes: number): Map<string, Buffer> {
  const random = seededRandom(seed);
  return new Map([
    ['plain.txt', Buffer.from(words(random, bytes, [' ', '\n', ' ', '\t']))],
    [
      'unicode.txt',
      Buffer.from(
        words(random, bytes >> 1, [' ', '\n', '\u3000', '\r\n', '\v', '\f'], ['飞天', '伏羲', '盘古', 'naïve', 'Ω', '🚀', 'e\u0301']),
      ),
    ],
    ['empty.txt', Buffer.alloc(0)],
    ['no-final-newline.txt', Buffer.from(`${words(random, 5_000, ['\n'])}end`)],
    ['one-long-line.txt', Buffer.from(words(random, longLineBytes, [' ']))],
    ['one-long-word.txt', Buffer.concat([Buffer.from('a '), Buffer.alloc(longLineBytes, 'x'), Buffer.from(' b\n\n\n')])],
    ['only-spaces.txt', Buffer.from(' \t\n\v\f\r \n')],
    ['any-bytes.txt', Buffer.from(Array.from({ length: bytes >> 2 }, () => 1 + random.int(255)))],
    ['odd name 飞.txt', Buffer.from('one two\nthree')],
  ]);
}

function words(random: Random, bytes: number, separators: string[], extra: string[] = []): string {
  const vocabulary = [...extra, ...Array.from({ length: 500 }, () => random.int(1e9).toString(36))];
  let text = '';
  while (text.length < bytes)
    text += vocabulary[Math.floor(random.next() ** 3 * vocabulary.length)]! + separators[random.int(separators.length)]!;
  return text;
}
