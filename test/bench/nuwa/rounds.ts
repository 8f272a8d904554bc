/**
 * Comparing services on a machine whose pace changes: each is measured in turn, A B C A B C …, so that all of them meet the same quiet and busy moments,
 * and what counts is the ratio of the medians.
 */
export interface Measured {
  /** Operations, or MB. */
  perSecond: number;
  /** NaN where no single operation is timed. */
  p50Ms: number;
  p99Ms: number;
  /** Processor time of all servers per operation. */
  serverUs?: number;
  /** … and of the clients. */
  clientUs?: number;
  errors?: number;
}

/** One way to do what the case is about. */
export interface Contender {
  system: string;
  measure(): Promise<Measured>;
}

export interface Case {
  name: string;
  contenders: readonly Contender[];
}

export interface Outcome {
  case: string;
  system: string;
  runs: Measured[];
}

export async function inRounds(cases: readonly Case[], rounds: number, say: (line: string) => void): Promise<Outcome[]> {
  const outcomes = cases.flatMap(({ name, contenders }) => contenders.map(({ system }): Outcome => ({ case: name, system, runs: [] })));
  for (let round = 0; round < rounds; round++) {
    for (const { name, contenders } of cases) {
      for (const { system, measure } of rotated(contenders, round)) {
        const measured = await measure();
        outcomes.find((each) => each.case === name && each.system === system)!.runs.push(measured);
        const p99 = Number.isNaN(measured.p99Ms) ? '' : `, p99 ${measured.p99Ms.toFixed(1)} ms`;
        say(`round ${round + 1}: ${name}, ${system}: ${Math.round(measured.perSecond)} /s${p99}`);
      }
    }
  }
  return outcomes;
}

/** Nobody is always the one after an idle moment. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Line {
  case: string;
  system: string;
  perSecond: number;
  min: number;
  max: number;
  p50Ms: number;
  p99Ms: number;
  serverUs: number | undefined;
  clientUs: number | undefined;
  errors: number;
  /** This system's median over that of each peer, by the peer's name. */
  over: Record<string, number>;
}

/** @param peers those that others are held against. */
export function linesOf(outcomes: readonly Outcome[], peers: readonly string[]): Line[] {
  const rateOf = (runs: readonly Measured[]): number => median(runs.map(({ perSecond }) => perSecond));
  return outcomes.map(({ case: name, system, runs }) => {
    const perSecond = rateOf(runs);
    const over: Record<string, number> = {};
    for (const peer of peers) {
      const theirs = outcomes.find((each) => each.case === name && each.system === peer);
      if (theirs && peer !== system && !peers.includes(system)) over[peer] = perSecond / rateOf(theirs.runs);
    }
    const medianOf = (numbers: readonly number[]): number | undefined => (numbers.length > 0 ? median(numbers) : undefined);
    return {
      case: name,
      system,
      perSecond,
      min: Math.min(...runs.map((run) => run.perSecond)),
      max: Math.max(...runs.map((run) => run.perSecond)),
      p50Ms: median(runs.map(({ p50Ms }) => p50Ms)),
      p99Ms: median(runs.map(({ p99Ms }) => p99Ms)),
      serverUs: medianOf(runs.flatMap(({ serverUs }) => serverUs ?? [])),
      clientUs: medianOf(runs.flatMap(({ clientUs }) => clientUs ?? [])),
      errors: runs.reduce((sum, { errors = 0 }) => sum + errors, 0),
      over,
    };
  });
}
