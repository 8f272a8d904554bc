/**
 * Who dies, and just when. Each row names a step, a process that is stopped at a point on its way, and who is killed while it stands there: it, another replica, the
 * client, or Postgres. Whoever lives goes on; who died is started again.
 */
export type Step = 'create' | 'append' | 'seal' | 'publish' | 'repair' | 'balance';
export type Victim = 'itself' | 'replica' | 'client' | 'postgres';

export interface Cell {
  step: Step;
  /** Whose point it is. `replica`: one of those that hold the chunk; `target`: the one that gets a copy. */
  at: 'master' | 'replica' | 'target';
  point: string;
  victim: Victim;
}

interface Row {
  step: Step;
  at: Cell['at'];
  points: readonly string[];
  victims: readonly Victim[];
}

const ROWS: readonly Row[] = [
  { step: 'create', at: 'master', points: ['create.begins', 'create.ends'], victims: ['itself', 'client', 'postgres'] },
  { step: 'append', at: 'replica', points: ['append.begins', 'append.ends'], victims: ['itself', 'replica', 'client'] },
  {
    step: 'append',
    at: 'master',
    points: ['allocate.begins', 'allocate.ends', 'commit.begins', 'commit.recorded', 'commit.ends'],
    victims: ['itself', 'replica', 'client', 'postgres'],
  },
  {
    step: 'seal',
    at: 'master',
    points: ['recovery.claimed', 'recovery.frozen', 'recovery.sealed', 'recovery.recorded'],
    victims: ['itself', 'replica', 'postgres'],
  },
  { step: 'seal', at: 'replica', points: ['seal.begins', 'seal.ends'], victims: ['itself', 'replica', 'postgres'] },
  { step: 'publish', at: 'master', points: ['publish.begins', 'publish.made', 'publish.ends'], victims: ['itself', 'postgres'] },
  {
    step: 'repair',
    at: 'master',
    points: ['copy.reserved', 'copy.counted', 'replicate.ends'],
    victims: ['itself', 'replica', 'postgres'],
  },
  { step: 'repair', at: 'target', points: ['copy.begins', 'copy.ends'], victims: ['itself', 'replica', 'postgres'] },
  {
    step: 'balance',
    at: 'master',
    points: ['copy.reserved', 'copy.counted', 'moveReplica.ends'],
    victims: ['itself', 'replica', 'postgres'],
  },
  { step: 'balance', at: 'target', points: ['copy.begins', 'copy.ends'], victims: ['itself', 'replica', 'postgres'] },
];

export const CELLS: readonly Cell[] = ROWS.flatMap(({ step, at, points, victims }) =>
  points.flatMap((point) => victims.map((victim) => ({ step, at, point, victim }))),
);

export const tellCell = ({ step, at, point, victim }: Cell): string =>
  `${step}: ${victim === 'itself' ? `the ${at}` : victim} dies when the ${at} is at ${point}`;
