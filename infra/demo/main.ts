/** `npm run demo`: sets up, runs the demo, and takes all down again, however it ends. */
import { readdir, stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../services/base/errors.ts';
import { type ClusterHandle, deleteClusterData, type Step, startCluster } from '../cluster/launch.ts';
import { layoutOf } from '../cluster/layout.ts';
import { lockHolder } from '../cluster/lock.ts';
import { type DemoContext, runDemo, timed } from './demo.ts';
import { type DemoOptions, parseOptions } from './options.ts';
import { Screen } from './screen.ts';
import { namedTexts, packageTexts, type Texts } from './texts.ts';

const PACKAGES = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** How a shell tells of a program that ended by Ctrl-C. */
const EXIT_INTERRUPTED = 130;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  const screen = new Screen(options.color);
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort(new Error('interrupted')));
  try {
    const texts = options.files.length > 0 ? await namedTexts(options.files) : await packageTexts(PACKAGES);
    await makeFresh(options.dir);
    await demo(options, screen, texts, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) {
      screen.fail('interrupted; everything was stopped');
      return EXIT_INTERRUPTED;
    }
    screen.fail(messageOf(error));
    return 1;
  }
}

async function demo(options: DemoOptions, screen: Screen, texts: Texts, signal: AbortSignal): Promise<void> {
  const phases: DemoContext['phases'] = {};
  const installMs = Number(process.env.FEITIAN_INSTALL_MS ?? 0);
  screen.title('Starting a cluster: four nodes in two racks');
  if (installMs > 0) {
    phases.install = installMs;
    screen.done('packages', installMs);
  }
  const onStep = ({ step, ms, detail, leftOut }: Step) => (leftOut ? screen.leftOut(step, detail) : screen.done(step, ms, detail));
  const cluster = await timed(phases, 'start', () =>
    startCluster({ dir: options.dir, attached: !options.keep, monitoring: true, onStep, signal }),
  );
  let ok = false;
  try {
    screen.done('cluster is up', phases.start!);
    await runDemo({ options, screen, texts, cluster, phases, signal });
    ok = true;
  } finally {
    if (options.keep && ok) tellHowToLook(options, screen, cluster);
    else await takeDown(options, screen, cluster, ok);
  }
}

async function takeDown({ dir }: DemoOptions, screen: Screen, cluster: ClusterHandle, ok: boolean): Promise<void> {
  const startedMs = performance.now();
  await cluster.stop();
  if (ok) {
    await deleteClusterData(dir);
    screen.done('all stopped', performance.now() - startedMs);
  } else {
    screen.line(`  all stopped; logs are in ${here(layoutOf(dir).logs)}`);
  }
}

function tellHowToLook({ dir }: DemoOptions, screen: Screen, cluster: ClusterHandle): void {
  screen.title('The cluster is still up');
  const { temporal, grafana, prometheus } = cluster.info;
  if (temporal.ui) screen.fact('look', temporal.ui);
  if (grafana) screen.fact('Grafana', grafana);
  if (prometheus) screen.fact('Prometheus', prometheus);
  const feitian = 'npx feitian';
  const at = `--dir ${here(dir)}`;
  screen.fact('jobs', `${feitian} job list ${at}`);
  screen.fact('files', `${feitian} fs ls -l /out/wordcount ${at}`);
  screen.fact('stop', `${feitian} down ${at}`);
}

/** Removes what an earlier demo left, and nothing else. */
async function makeFresh(dir: string): Promise<void> {
  const found = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Error(`${dir} cannot be used: ${error.message}`, { cause: error });
  });
  if (found.length === 0) return;
  const layout = layoutOf(dir);
  if (await lockHolder(layout.lockFile))
    throw new Error(`a cluster is up in ${here(dir)}; stop it first: npx feitian down --dir ${here(dir)}`);
  const ours = await stat(layout.logs).then(
    () => true,
    () => false,
  );
  if (!ours) throw new Error(`${dir} holds other things than a cluster; name another directory with --dir`);
  await deleteClusterData(dir);
}

function here(path: string): string {
  const short = relative(process.cwd(), path) || '.';
  return short.startsWith('..') ? path : short;
}

process.exitCode = await main();
