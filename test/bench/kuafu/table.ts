import { renderTable } from '../../../infra/cli/ui/table.ts';
import type { Row } from '../main.ts';
import type { Line } from '../nuwa/rounds.ts';

export function rowOf({ case: name, system, over, serverUs, clientUs, ...line }: Line): Row {
  const figures: Row['figures'] = { 'per second, median': line.perSecond, 'per second, least': line.min, 'per second, most': line.max };
  if (!Number.isNaN(line.p99Ms)) Object.assign(figures, { 'p50 ms': line.p50Ms, 'p99 ms': line.p99Ms });
  if (serverUs !== undefined) figures['µs of the server per call or message'] = serverUs;
  if (clientUs !== undefined) figures['µs of the caller per call or message'] = clientUs;
  for (const [peer, ratio] of Object.entries(over)) figures[`times ${peer}`] = ratio;
  return { what: `${name}: ${system}`, figures };
}

/** One line for each system of a case; what is of no case, below. */
export function render(rows: readonly Row[]): string {
  const number = (value: number | string | undefined, digits = 0): string =>
    typeof value === 'number'
      ? value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })
      : (value ?? '');
  const lines = rows.filter(({ figures }) => 'per second, median' in figures);
  const peers = [...new Set(lines.flatMap(({ figures }) => Object.keys(figures).filter((name) => name.startsWith('times '))))];
  const right = 'right' as const;
  const columns = [
    { title: 'case' },
    ...['per second', 'least', 'most', 'p50 ms', 'p99 ms', 'server µs', 'caller µs'].map((title) => ({ title, align: right })),
    ...peers.map((name) => ({ title: name.replace('times', '×'), align: right })),
  ];
  const cells = lines.map(({ what, figures }) => [
    what,
    number(figures['per second, median']),
    number(figures['per second, least']),
    number(figures['per second, most']),
    number(figures['p50 ms'], 2),
    number(figures['p99 ms'], 2),
    number(figures['µs of the server per call or message'], 1),
    number(figures['µs of the caller per call or message'], 1),
    ...peers.map((name) => number(figures[name], 2)),
  ]);
  const rest = rows
    .filter((row) => !lines.includes(row))
    .map(({ what, figures }) => {
      const told = Object.entries(figures).map(([name, value]) => [name, number(value, 2)]);
      return `${what}\n${renderTable([{ title: 'figure' }, { title: 'value', align: right }], told)}`;
    });
  return [...(lines.length > 0 ? [renderTable(columns, cells)] : []), ...rest].join('\n\n');
}
