import { argumentsOf } from '../helpers/arguments.ts';

/** `npm run soak -- <name> [--minutes N] [--seed S]`: runs on, with fresh seeds where there are any, for as long as it is told, once at least; ends with 1 at the first failure. */
const SOAKS: Record<
  string,
  () => Promise<{ run(options: { minutes: number; seed?: number; say: (line: string) => void }): void | Promise<void> }>
> = {
  connections: () => import('./connections.ts'),
  'kuafu-stall': () => import('./kuafu-stall.ts'),
  nuwa: () => import('./nuwa.ts'),
  pangu: () => import('./pangu.ts'),
  'pangu-breaks': () => import('./pangu-breaks.ts'),
  'pangu-kills': () => import('./pangu-kills.ts'),
};

const USAGE = `usage: npm run soak -- <name> [--minutes N] [--seed S]\n  names: ${Object.keys(SOAKS).join(', ')}`;

const { values, positionals } = argumentsOf(USAGE, { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } });
const load = SOAKS[positionals[0] ?? ''];
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? undefined : Number(values.seed);
if (!load || !(minutes > 0) || (seed !== undefined && !Number.isInteger(seed))) {
  console.error(USAGE);
  process.exit(2);
}
await (await load()).run({ minutes, seed, say: (line) => console.log(line) });
process.exit(0);
