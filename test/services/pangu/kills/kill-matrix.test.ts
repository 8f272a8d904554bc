import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { KillRun } from './kill-run.ts';
import { CELLS, tellCell } from './matrix.ts';

const seed = Number(process.env.FEITIAN_SEED ?? Math.floor(Math.random() * 2 ** 30));
const random = seededRandom(seed);
/** All of them: npm run soak -- pangu-kills. */
// Not those in which Postgres dies: its driver (postgres 3.4.9) ends a process that is just in a transaction then, as it writes `rollback` to a socket that is gone.
const some = CELLS.filter(({ victim }) => victim !== 'postgres')
  .sort(() => random.next() - 0.5)
  .slice(0, 2);

let kills: KillRun;
beforeAll(async () => {
  kills = await KillRun.start();
});
afterAll(() => kills?.stop());

it.each(some.map((cell) => [tellCell(cell), cell] as const))(
  `nothing acknowledged is lost and no invariant broken when %s (seed ${seed})`,
  async (_, cell) => {
    await expect(kills.play(cell)).resolves.toBeUndefined();
  },
  120_000,
);
