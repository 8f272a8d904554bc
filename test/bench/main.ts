import { parseArgs } from 'node:util';
import { renderTable } from '../../infra/cli/ui/table.ts';

/**
 * `npm run bench -- <name> [--json]`: measures one part of Feitian beside its peer, in the same run. Each bench is a file here with
 * `run(options)`; it returns rows of figures.
 */
export interface Row {
  what: string;
  figures: Record<string, number | string>;
}

const BENCHES: Record<string, () => Promise<{ run(options: { quick: boolean; say: (line: string) => void }): Promise<Row[]> }>> = {
  job: () => import('./job.ts'),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
});
const load = BENCHES[positionals[0] ?? ''];
if (!load) {
  console.error(`usage: npm run bench -- <name> [--json] [--quick]\n  names: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
const rows = await (await load()).run({ quick: values.quick, say: (line) => console.error(line) });
if (values.json) console.log(JSON.stringify(rows, null, 2));
else {
  for (const { what, figures } of rows) {
    console.log(`\n${what}`);
    const text = (value: number | string): string => (typeof value === 'number' ? String(Math.round(value * 100) / 100) : value);
    const lines = Object.entries(figures).map(([name, value]) => [name, text(value)]);
    console.log(renderTable([{ title: 'figure' }, { title: 'value', align: 'right' }], lines));
  }
}
process.exit(0);
