import { runModel } from '../services/pangu/model/run.ts';

const SECONDS_OF_ONE = 60;

/** The model test of Pangu, a minute of steps for each seed and then all of it checked, until the time is over or one fails. */
export async function run({ minutes, seed, say }: { minutes: number; seed?: number; say: (line: string) => void }): Promise<void> {
  const endMs = performance.now() + minutes * 60_000;
  let next = seed ?? 1 + Math.floor(Math.random() * 2 ** 30);
  do {
    const seconds = Math.min(SECONDS_OF_ONE, minutes * 60);
    say(`seed ${next}`);
    const { steps, faults, counts, files, bytes } = await runModel({ seed: next, seconds, say: (line) => say(`  ${line}`) });
    for (const [what, { done, refused, unknown }] of [...counts].sort())
      say(`  ${what}: ${done} done, ${refused} refused, ${unknown} unknown`);
    say(
      `  ${steps} steps, ${faults.length} faults and their ends; ${files} files with ${bytes.toLocaleString('en')} bytes are right at the end`,
    );
    next++;
  } while (performance.now() < endMs);
}
