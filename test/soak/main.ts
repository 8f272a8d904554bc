import { argumentsOf } from '../helpers/arguments.ts';

/** `npm run soak -- <name> [--minutes N]`: runs on, with fresh seeds where there are any, for as long as it is told, once at least; ends with 1 at the first failure. */
const SOAKS: Record<string, () => Promise<{ run(options: { minutes: number; say: (line: string) => void }): void | Promise<void> }>> = {
  connections: () => import('./connections.ts'),
  'kuafu-stall': () => import('./kuafu-stall.ts'),
  nuwa: () => import('./nuwa.ts'),
};

const USAGE = `usage: npm run soak -- <name> [--minutes N]\n  names: ${Object.keys(SOAKS).join(', ')}`;

const { values, positionals } = argumentsOf(USAGE, { minutes: { type: 'string', default: '10' } });
const load = SOAKS[positionals[0] ?? ''];
const minutes = Number(values.minutes);
if (!load || !(minutes > 0)) {
  console.error(USAGE);
  process.exit(2);
}
await (await load()).run({ minutes, say: (line) => console.log(line) });
process.exit(0);
