import type { BenchOptions, Row } from './main.ts';

/** `npm run bench -- pangu [--only namespace]`: each part is a file in `pangu/`. */
const PARTS: Record<string, () => Promise<{ run(options: BenchOptions): Promise<Row[]> }>> = {
  namespace: () => import('./pangu/namespace.ts'),
};

export async function run(options: BenchOptions): Promise<Row[]> {
  const wanted = options.only?.split(',') ?? Object.keys(PARTS);
  const unknown = wanted.filter((name) => !PARTS[name]);
  if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  const rows: Row[] = [];
  for (const name of wanted) rows.push(...(await (await PARTS[name]!()).run(options)));
  return rows;
}
