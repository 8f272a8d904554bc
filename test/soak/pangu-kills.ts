import { KillRun } from '../services/pangu/kills/kill-run.ts';
import { CELLS, tellCell } from '../services/pangu/kills/matrix.ts';

/** Every cell of Pangu's kill matrix, again and again until the time is over; each once at least. Tells all that fail. */
export async function run({ minutes, say }: { minutes: number; say: (line: string) => void }): Promise<void> {
  const endMs = performance.now() + minutes * 60_000;
  const failed: string[] = [];
  do {
    let kills = await KillRun.start();
    for (const [i, cell] of CELLS.entries()) {
      const startedMs = performance.now();
      try {
        await kills.play(cell);
        say(`${i + 1}/${CELLS.length} ${tellCell(cell)}: holds, ${Math.round(performance.now() - startedMs)} ms`);
      } catch (error) {
        failed.push(`${tellCell(cell)}: ${(error as Error).message}`);
        say(`${i + 1}/${CELLS.length} FAILS ${failed.at(-1)}`);
        // What it left behind is not the next one's fault.
        await kills.stop().catch(() => {});
        kills = await KillRun.start();
      }
    }
    await kills.stop();
  } while (performance.now() < endMs && failed.length === 0);
  if (failed.length > 0) throw new Error(`${failed.length} cells fail:\n${failed.join('\n')}`);
}
