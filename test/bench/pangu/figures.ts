import { renderTable } from '../../../infra/cli/ui/table.ts';
import type { Row } from '../main.ts';
import { median } from '../nuwa/rounds.ts';

/** What one system did once in one case. */
export interface Figure {
  case: string;
  system: string;
  /** What was on disk when it was told: `yes`, `no`, or `-` where nothing is written. */
  synced: 'yes' | 'no' | '-';
  unit: 'MB/s' | '/s';
  perSecond: number;
  p50Ms?: number;
  p99Ms?: number;
}

/** What the project wants of Pangu: so many times what another does in the same case and run. */
export interface Aim {
  case: string;
  system: string;
  over: string;
  /** Of the rates, or, where `of` says so, of the medians of times. */
  of?: 'p50';
  /** At least; of times, at most. */
  bound: number;
}

/** Medians of several rounds, case by case in the order in which they were measured first. */
export function medians(figures: readonly Figure[]): Figure[] {
  const groups = new Map<string, Figure[]>();
  for (const figure of figures) {
    const key = `${figure.case}\n${figure.system}`;
    groups.set(key, [...(groups.get(key) ?? []), figure]);
  }
  const cases = [...new Set(figures.map((figure) => figure.case))];
  const each = [...groups.values()].map((group) => {
    const middle = (of: (figure: Figure) => number | undefined): number | undefined => {
      const numbers = group.map(of).filter((number) => number !== undefined);
      return numbers.length > 0 ? median(numbers) : undefined;
    };
    const [p50Ms, p99Ms] = [middle((figure) => figure.p50Ms), middle((figure) => figure.p99Ms)];
    return {
      ...group[0]!,
      perSecond: middle((figure) => figure.perSecond)!,
      ...(p50Ms === undefined ? {} : { p50Ms }),
      ...(p99Ms === undefined ? {} : { p99Ms }),
    };
  });
  return each.sort((a, b) => cases.indexOf(a.case) - cases.indexOf(b.case));
}

/** Each round's own ratio, and of these the median: what else the machine did in a round is in both. */
export function ratioOf(rounds: readonly (readonly Figure[])[], { case: name, system, over, of }: Aim): number | undefined {
  const ratios = rounds.flatMap((figures) => {
    const figureOf = (wanted: string): number | undefined => {
      const figure = figures.find((each) => each.case === name && each.system === wanted);
      return of === 'p50' ? figure?.p50Ms : figure?.perSecond;
    };
    const [ours, theirs] = [figureOf(system), figureOf(over)];
    return ours === undefined || theirs === undefined ? [] : [ours / theirs];
  });
  return ratios.length > 0 ? median(ratios) : undefined;
}

export function rowsOf(rounds: readonly (readonly Figure[])[], aims: readonly Aim[]): Row[] {
  const rows = medians(rounds.flat()).map(({ case: name, system, synced, unit, perSecond, p50Ms, p99Ms }) => ({
    what: `${name}: ${system}`,
    figures: {
      synced,
      [unit]: perSecond,
      ...(p50Ms === undefined ? {} : { 'p50 ms': p50Ms }),
      ...(p99Ms === undefined ? {} : { 'p99 ms': p99Ms }),
    },
  }));
  const told = aims.flatMap((aim) => {
    const ratio = ratioOf(rounds, aim);
    if (ratio === undefined) return [];
    const met = aim.of === 'p50' ? ratio <= aim.bound : ratio >= aim.bound;
    const what = `aim: ${aim.case}: ${aim.system} / ${aim.over}${aim.of === 'p50' ? ', time' : ''}`;
    return [{ what, figures: { ratio, wanted: `${aim.of === 'p50' ? '≤' : '≥'} ${aim.bound}`, met: met ? 'yes' : 'no' } }];
  });
  return [...rows, ...told];
}

/** Figures with a rate in one table, aims in another; what is neither, below. */
export function render(rows: readonly Row[]): string {
  const right = 'right' as const;
  const text = (value: number | string | undefined): string => {
    if (typeof value !== 'number') return value ?? '';
    const digits = Math.abs(value) >= 100 ? 0 : 2;
    return value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
  };
  const measured = rows.filter(({ figures }) => 'synced' in figures);
  const aims = rows.filter(({ figures }) => 'met' in figures);
  const rest = rows.filter((row) => !measured.includes(row) && !aims.includes(row));
  const parts: string[] = [];
  if (measured.length > 0) {
    const columns = [
      { title: 'case' },
      { title: 'synced' },
      ...['MB/s', '/s', 'p50 ms', 'p99 ms'].map((title) => ({ title, align: right })),
    ];
    parts.push(
      renderTable(
        columns,
        measured.map(({ what, figures }) => [what, ...columns.slice(1).map(({ title }) => text(figures[title]))]),
      ),
    );
  }
  if (aims.length > 0) {
    const columns = [{ title: 'aim' }, { title: 'ratio', align: right }, { title: 'wanted', align: right }, { title: 'met' }];
    parts.push(
      renderTable(
        columns,
        aims.map(({ what, figures }) => [what.replace('aim: ', ''), text(figures.ratio), text(figures.wanted), text(figures.met)]),
      ),
    );
  }
  for (const { what, figures } of rest)
    parts.push(
      `${what}\n${renderTable(
        [{ title: 'figure' }, { title: 'value', align: right }],
        Object.entries(figures).map(([name, value]) => [name, text(value)]),
      )}`,
    );
  return parts.join('\n\n');
}
