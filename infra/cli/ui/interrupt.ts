/** As a shell says it of Ctrl-C. */
export const EXIT_INTERRUPTED = 130;

/** Runs `use` until it ends or somebody ends this process (Ctrl-C, SIGTERM), which aborts the signal and is told by the exit code. */
export async function untilInterrupted<T>(use: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const stop = (): void => {
    process.exitCode = EXIT_INTERRUPTED;
    interrupted.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  try {
    return await use(interrupted.signal);
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}
