/** Nothing, as a module: what is left is what an instance costs. */
import type { SourceProgram } from 'feitian/sdk';

export const noop: SourceProgram = { run() {} };
