import { writeSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Says at the very end, on a line of its own, how many tests passed and failed: `12 passed, 0 failed`, and `, 3 skipped` when any were.
 * A file that cannot be loaded, a hook that fails and an error that nobody caught are failures too.
 */
export default class SummaryReporter implements Reporter {
  #line: string | undefined;

  constructor() {
    // After whatever others still have to say.
    process.once('exit', () => {
      if (this.#line !== undefined) writeSync(1, `${this.#line}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
      for (const test of module.children.allTests()) counts[test.result().state]++;
    }
    const skipped = counts.skipped + counts.pending;
    this.#line = `${counts.passed} passed, ${counts.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  }
}
