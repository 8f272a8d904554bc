/** Upper bounds of histograms of durations: from a call within one machine to one that waits for a disk that is slow. */
export const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
