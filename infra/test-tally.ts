import type { Reporter, TestModule } from 'vitest/node';

/** The last line of `npm test`: `N passed, N failed`, with `, N skipped` behind it when there are any. A file that can't be run is one failure. */
export default class TestTally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state !== 'pending') count[state]++;
      }
      const said = tests.some((test) => test.result().state === 'failed');
      if (module.state() === 'failed' && !said) count.failed++;
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    // After all that other reporters print at the end of the run.
    process.once('exit', () => console.log(`${count.passed} passed, ${count.failed} failed${skipped}`));
  }
}
