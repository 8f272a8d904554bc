import { spawn } from 'node:child_process';
import { BREAKS, brokenCopy } from '../services/pangu/model/breaks.ts';

/** Breaks Pangu in one way after the other, and runs the model test over it for at most that many minutes each: every break must be found. */
export async function run({ minutes, seed, say }: { minutes: number; seed?: number; say: (line: string) => void }): Promise<void> {
  const first = seed ?? 1 + Math.floor(Math.random() * 2 ** 30);
  const unseen: string[] = [];
  for (const each of BREAKS) {
    const { directory, remove } = brokenCopy(each);
    const startedMs = performance.now();
    try {
      const args = ['--import', 'tsx', 'test/soak/main.ts', 'pangu', '--minutes', String(minutes), '--seed', String(first)];
      const child = spawn(process.execPath, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += bytes));
      const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
      const finding = /WrongAnswer.*: (seed \d+: .*)/.exec(output)?.[1];
      const tookS = Math.round((performance.now() - startedMs) / 1000);
      if (code !== 0 && finding !== undefined) say(`found after ${tookS} s: ${each.name}\n  ${finding.slice(0, 300)}`);
      else unseen.push(`${each.name} (${tookS} s, ended with ${code}: ${output.slice(-300)})`);
    } finally {
      remove();
    }
  }
  if (unseen.length > 0) throw new Error(`not found, from seed ${first}:\n${unseen.join('\n')}`);
}
