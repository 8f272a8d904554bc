import { renderTable } from '../../infra/cli/ui/table.ts';
import { argumentsOf } from '../helpers/arguments.ts';

/**
 * `npm run bench -- <name> [--json]`: measures one part of Feitian beside its peer, in the same run. Each bench is a file here with
 * `run(options)`; it returns rows of figures, and may have a way of its own to show them.
 */
export interface Row {
  what: string;
  figures: Record<string, number | string>;
}

export interface BenchOptions {
  /** Minutes instead of many: for a look, not for a verdict. */
  quick: boolean;
  say: (line: string) => void;
  /** How often each system is measured, in turns; a bench without peers ignores it. */
  rounds?: number;
  /** The directory with the peers' programs. */
  peers?: string;
  /** Some parts of the bench, by name with commas between. */
  only?: string;
}

interface Bench {
  run(options: BenchOptions): Promise<Row[]>;
  render?(rows: readonly Row[]): string;
}

const BENCHES: Record<string, () => Promise<Bench>> = {
  job: () => import('./job.ts'),
  kuafu: () => import('./kuafu.ts'),
  'kuafu-proxy': () => import('./kuafu-proxy.ts'),
  nuwa: () => import('./nuwa.ts'),
  pangu: () => import('./pangu.ts'),
};

const USAGE = `usage: npm run bench -- <name> [--json] [--quick] [--rounds N] [--peers DIR] [--only PART,…]
  names: ${Object.keys(BENCHES).join(', ')}`;

const { values, positionals } = argumentsOf(USAGE, {
  json: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  peers: { type: 'string' },
  only: { type: 'string' },
});
const load = BENCHES[positionals[0] ?? ''];
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (!load || (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))) {
  console.error(USAGE);
  process.exit(2);
}
const { run, render = renderAll } = await load();
const rows = await run({
  quick: values.quick,
  say: (line) => console.error(line),
  ...(rounds ? { rounds } : {}),
  ...(values.peers ? { peers: values.peers } : {}),
  ...(values.only ? { only: values.only } : {}),
});
console.log(values.json ? JSON.stringify(rows, null, 2) : render(rows));
process.exit(0);

function renderAll(all: readonly Row[]): string {
  const text = (value: number | string): string => (typeof value === 'number' ? String(Math.round(value * 100) / 100) : value);
  return all
    .map(({ what, figures }) => {
      const lines = Object.entries(figures).map(([name, value]) => [name, text(value)]);
      return `\n${what}\n${renderTable([{ title: 'figure' }, { title: 'value', align: 'right' }], lines)}`;
    })
    .join('\n');
}
