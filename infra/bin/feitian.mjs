#!/usr/bin/env node
import { existsSync } from 'node:fs';
/** The `feitian` command: infra/cli/main.ts, compiled (see compile.mjs) or, where that can't be (no place to write), through tsx. */
import module from 'node:module';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compiledMain } from './compile.mjs';

if (!existsSync(new URL('../../node_modules', import.meta.url))) {
  console.error('feitian: its packages are not installed; do it with: npm ci');
  process.exit(1);
}
process.setSourceMapsEnabled(true);
module.enableCompileCache?.(); // Node 22 and later

let main;
try {
  const compiled = await compiledMain();
  main = pathToFileURL(compiled).href;
  // Containers that this process starts run the same build.
  process.env.FEITIAN_BUILD = dirname(compiled);
} catch (error) {
  // A mistake in the sources shows better where it is reported by line, and tsx does that too.
  if (process.env.FEITIAN_LOG_LEVEL === 'debug') console.error(error);
  const { register } = await import('tsx/esm/api');
  register();
  main = new URL('../cli/main.ts', import.meta.url).href;
}
await import(main);
