import type { Resources } from '../contract.ts';

/** Sums of fractions such as 0.1 cpu are off by a little; less than this is nothing. */
export const TOLERANCE = 1e-9;

export function fits(wanted: Resources, within: Resources): boolean {
  if (wanted.cpu > within.cpu + TOLERANCE || wanted.memoryMiB > within.memoryMiB + TOLERANCE) return false;
  for (const name in wanted.virtual) if (wanted.virtual[name]! > (within.virtual[name] ?? 0) + TOLERANCE) return false;
  return true;
}

/** The dimensions in which `within` is too small, with what it has. */
export function shortages(wanted: Resources, within: Resources): { dimension: string; wanted: number; has: number }[] {
  const short = (dimension: string, want: number, has: number) => (want > has + TOLERANCE ? [{ dimension, wanted: want, has }] : []);
  return [
    ...short('cpu', wanted.cpu, within.cpu),
    ...short('memoryMiB', wanted.memoryMiB, within.memoryMiB),
    ...Object.entries(wanted.virtual).flatMap(([name, want]) => short(name, want, within.virtual[name] ?? 0)),
  ];
}

export function sumOf(parts: Iterable<Resources>): Resources {
  const sum: Resources = { cpu: 0, memoryMiB: 0, virtual: {} };
  for (const { cpu, memoryMiB, virtual } of parts) {
    sum.cpu += cpu;
    sum.memoryMiB += memoryMiB;
    for (const [name, amount] of Object.entries(virtual)) sum.virtual[name] = (sum.virtual[name] ?? 0) + amount;
  }
  return sum;
}

/** What is left of `whole`; below zero where more was taken than there is. */
export function minus(whole: Resources, taken: Resources): Resources {
  const virtual: Record<string, number> = {};
  for (const name of new Set([...Object.keys(whole.virtual), ...Object.keys(taken.virtual)]))
    virtual[name] = (whole.virtual[name] ?? 0) - (taken.virtual[name] ?? 0);
  return { cpu: whole.cpu - taken.cpu, memoryMiB: whole.memoryMiB - taken.memoryMiB, virtual };
}
