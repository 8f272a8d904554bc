import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BundleOptions, bundleWorkflowCode, type WorkflowBundleOption } from '@temporalio/worker';
import { assertInvariant } from '../services/base/assert.ts';
import type { Logger } from '../services/base/log.ts';

type Configuration = Parameters<NonNullable<BundleOptions['webpackConfigHook']>>[0];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** All that a workflow may import; see the import rules in test/house.test.ts. */
const SOURCES = ['workflows', 'services', 'infra/workflow-bundle.ts', 'package-lock.json'];

/**
 * The workflows as one script for Temporal's sandbox. Making it takes webpack some seconds of cpu, so it is kept in the user's cache under
 * the hash of everything that it was made of: a worker that is started again is ready at once.
 */
export async function workflowBundle(log: Logger): Promise<WorkflowBundleOption & { code: string }> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'feitian', 'workflows');
  const path = join(cache, `${await sourcesHash()}.js`);
  const cached = await readFile(path, 'utf8').catch(() => undefined);
  if (cached !== undefined) return { code: cached };

  const startedMs = performance.now();
  const bundle = await bundleWorkflowCode({
    workflowsPath: join(ROOT, 'workflows', 'index.ts'),
    workflowInterceptorModules: [join(ROOT, 'workflows', 'interceptors.ts')],
    logger: webpackLogger(log),
    webpackConfigHook: forThisNode,
  });
  log.info({ ms: Math.round(performance.now() - startedMs), bytes: bundle.code.length }, 'workflows.bundled');
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.${process.pid}`, bundle.code);
    await rename(`${path}.${process.pid}`, path);
  } catch (error) {
    log.warn({ path, error }, 'workflows.not_cached');
  }
  return { code: bundle.code };
}

/**
 * The SDK has swc rewrite everything for es2017, private fields into helper functions that some versions of swc get wrong. The sandbox runs on
 * the Node that we run on, which knows them.
 */
function forThisNode(config: Configuration): Configuration {
  let changed = 0;
  for (const rule of config.module?.rules ?? []) {
    const use = typeof rule === 'object' && rule ? rule.use : undefined;
    if (!use || typeof use !== 'object' || Array.isArray(use) || !String(use.loader).includes('swc-loader')) continue;
    (use.options as { jsc: { target: string } }).jsc.target = 'es2022';
    changed++;
  }
  assertInvariant(changed > 0, 'the SDK compiles workflows with swc-loader');
  return config;
}

async function sourcesHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    const names = source.includes('.') ? [''] : (await readdir(join(ROOT, source), { recursive: true })).sort();
    for (const name of names.filter((name) => source.includes('.') || name.endsWith('.ts'))) {
      hash.update(`${source}/${name}\0`).update(await readFile(join(ROOT, source, name)));
    }
  }
  return hash.digest('hex').slice(0, 32);
}

function webpackLogger(log: Logger) {
  const say = (level: 'debug' | 'warn' | 'error') => (message: string) => log[level](message);
  return { log: say('debug'), trace: say('debug'), debug: say('debug'), info: say('debug'), warn: say('warn'), error: say('error') };
}
