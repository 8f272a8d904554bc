import { parseArgs } from 'node:util';

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

function argumentsOf() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' }, help: { type: 'boolean', default: false } },
    });
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

const { values, positionals } = argumentsOf();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const load = SOAKS[positionals[0] ?? ''];
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? undefined : Number(values.seed);
if (!load || !(minutes > 0) || (seed !== undefined && !Number.isInteger(seed))) {
  console.error(USAGE);
  process.exit(2);
}
await (await load()).run({ minutes, seed, say: (line) => console.log(line) });
process.exit(0);
