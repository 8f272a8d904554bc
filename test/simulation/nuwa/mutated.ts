import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Mutation } from './mutations.ts';
import type { simulate } from './simulate.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The simulator over a core that is broken in one place. The sources stay as they are: the text is changed on its way into a bundle. */
export async function simulatorOf({ file, find, replace }: Mutation): Promise<typeof simulate> {
  const fromTsx = createRequire(createRequire(import.meta.url).resolve('tsx/package.json'));
  const esbuild = fromTsx('esbuild') as typeof import('esbuild');
  const target = join(ROOT, file);
  const source = readFileSync(target, 'utf8');
  const parts = source.split(find);
  if (parts.length !== 2) throw new Error(`${file} has the text ${parts.length - 1} times, not once: ${find}`);
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(ROOT, 'test/simulation/nuwa/simulate.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    plugins: [
      {
        name: 'mutation',
        setup(build) {
          build.onLoad({ filter: /\.ts$/ }, ({ path }) => (path === target ? { contents: parts.join(replace), loader: 'ts' } : undefined));
        },
      },
    ],
  });
  // Beside the sources' own packages, so that they are found.
  const directory = await mkdtemp(join(tmpdir(), 'nuwa-mutant-'));
  try {
    const bundle = join(directory, 'simulate.mjs');
    const text = outputFiles[0]!.text.replaceAll(
      /from "(?!node:)([^".][^"]*)"/g,
      (_, name: string) => `from ${JSON.stringify(import.meta.resolve(name))}`,
    );
    await writeFile(bundle, text);
    return ((await import(pathToFileURL(bundle).href)) as { simulate: typeof simulate }).simulate;
  } finally {
    await rm(directory, { recursive: true });
  }
}
