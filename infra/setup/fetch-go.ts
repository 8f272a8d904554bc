import { join } from 'node:path';
import type { Way } from './fetch.ts';
import { runProgram } from './run-program.ts';

/** Tried on two cores: six minutes. */
const BUILD_MS_MAX = 20 * 60_000;

/** Builds a program from a Go module. The build knows no version of its own, so the module's is the one it is kept under. */
export function fetchWithGo(modulePath: string, version: string, program: string): Way {
  return {
    title: `go install ${modulePath}@v${version}`,
    async fetch(directory) {
      await runProgram('go', ['version'], { timeoutMs: 20_000 });
      await runProgram('go', ['install', `${modulePath}@v${version}`], { timeoutMs: BUILD_MS_MAX, env: { GOBIN: directory } });
      return { path: join(directory, program), version };
    },
  };
}
