import { type SimulationReport, simulate } from '../simulation/nuwa/simulate.ts';

const REPORT_EVERY_MS = 10_000;

/** Fresh schedules of simulated Nuwa groups, three times as long as those of `npm test`, until the time is over or one fails. */
export function run({ minutes, say }: { minutes: number; say: (line: string) => void }): void {
  const first = 1 + Math.floor(Math.random() * 2 ** 30);
  const endMs = performance.now() + minutes * 60_000;
  const total: SimulationReport = { virtualMs: 0, elections: 0, changes: 0, operations: 0, grants: 0, fenced: 0, watched: 0 };
  let seed = first;
  const tell = (): void => {
    const { virtualMs, ...counts } = total;
    const figures = Object.entries(counts).map(([name, count]) => `${count.toLocaleString('en')} ${name}`);
    say(
      `${(seed - first).toLocaleString('en')} schedules from seed ${first}, ${Math.round(virtualMs / 60_000)} virtual minutes: ${figures.join(', ')}`,
    );
  };
  for (let toldMs = performance.now(); performance.now() < endMs; seed++) {
    let report: SimulationReport;
    try {
      report = simulate({ seed, faultyMs: 8_000 });
    } catch (error) {
      throw new Error(`seed ${seed} fails: npx tsx test/simulation/nuwa/replay.ts --seed ${seed} --ms 8000 --trace`, { cause: error });
    }
    for (const figure of Object.keys(total) as (keyof SimulationReport)[]) total[figure] += report[figure];
    if (performance.now() - toldMs < REPORT_EVERY_MS) continue;
    toldMs = performance.now();
    tell();
  }
  tell();
}
