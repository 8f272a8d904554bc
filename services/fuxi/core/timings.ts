/**
 * How long finished attempts took, and from that how long another one should take. Both a rate per input byte and a plain
 * time are kept, as a task may read much, little or nothing. Medians, so that the stragglers that we look for don't move the yardstick.
 */
export interface Timings {
  finished: { bytes: number; ms: number }[];
}

/** Before anything has finished: a start-up cost and a careful reading speed (20 MB/s), from the slowest programs measured. */
const PRIOR_MS = 50;
const PRIOR_MS_PER_BYTE = 1 / 20_000;
/** Older samples say little about now, and sorting stays cheap. */
const SAMPLES_MAX = 101;

export function noTimings(): Timings {
  return { finished: [] };
}

export function recordTiming(timings: Timings, bytes: number, ms: number): void {
  timings.finished.push({ bytes, ms });
  if (timings.finished.length > SAMPLES_MAX) timings.finished.shift();
}

/** Expected milliseconds of one attempt over `bytes`. */
export function expectedMs(timings: Timings, bytes: number): number {
  const { finished } = timings;
  if (finished.length === 0) return PRIOR_MS + bytes * PRIOR_MS_PER_BYTE;
  const medianMs = median(finished.map((sample) => sample.ms));
  const medianBytes = median(finished.map((sample) => sample.bytes));
  if (bytes === 0 || medianBytes === 0) return medianMs;
  // Never below a tenth of the median: a tiny split still pays for its start.
  return Math.max(medianMs / 10, median(finished.map((sample) => sample.ms / Math.max(1, sample.bytes))) * bytes);
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
