/**
 * The demo: a cluster, text, a job, an answer that is checked. Each step says what it did and how long it took.
 */

import { FUXI_MASTER_SERVICE, fuxiMasterService } from '../../services/fuxi/contract.ts';
import { joinCluster } from '../../services/nuwa/client.ts';
import { createPangu } from '../../services/pangu/client.ts';
import type { PanguClient } from '../../services/pangu/contract.ts';
import { commandIdentity } from '../cli/ui/identity.ts';
import { asAddress } from '../cli/ui/nuwa.ts';
import { webAddress } from '../cli/ui/temporal.ts';
import { formatBytes, formatCount, formatMs } from '../cli/ui/units.ts';
import { createJobPicture } from '../cli/ui/watch-job.ts';
import type { ClusterHandle } from '../cluster/launch.ts';
import { connectClient } from '../temporal/connect.ts';
import { type CountedWords, countWords } from './count-words.ts';
import { loseNodeInMidJob } from './lose-node.ts';
import type { DemoOptions } from './options.ts';
import { type PutTexts, putTexts } from './put-texts.ts';
import type { Screen } from './screen.ts';
import type { Texts } from './texts.ts';
import { readCounts } from './top-words.ts';
import { runTour, type Sights } from './tour.ts';

const BOOKS = '/books';
const TOP = 20;

export interface DemoContext {
  options: DemoOptions;
  screen: Screen;
  texts: Texts;
  cluster: ClusterHandle;
  /** How long what came before took, by phase. */
  phases: Record<string, number>;
  signal: AbortSignal;
}

export async function runDemo(context: DemoContext): Promise<void> {
  const { options, screen, texts, cluster, phases, signal } = context;
  const { info } = cluster;
  const [client, member] = await Promise.all([
    connectClient(info.temporal),
    commandIdentity(info).then((identity) =>
      joinCluster({ cluster: info.name, nuwa: info.nuwa.kuafu.map((address) => asAddress(address)), creator: 'demo', identity }),
    ),
  ]);
  const pangu = createPangu({ cluster: info.name, kuafu: member.kuafu, nuwa: member.nuwa });
  try {
    const put = await timed(phases, 'put', () => putTexts(pangu, BOOKS, texts, signal));
    screen.done(
      `text in ${BOOKS}`,
      phases.put!,
      `${formatBytes(put.bytes)} in ${put.files} ${put.files === 1 ? 'file' : 'files'}, 3 copies each`,
    );

    screen.title('Counting words');
    const fuxiMaster = member.kuafu.service(fuxiMasterService, `nuwa://${info.name}/${FUXI_MASTER_SERVICE}/`);
    const picture = createJobPicture(process.stdout);
    const loser = loseNodeInMidJob({
      fuxiMaster,
      hold: (node) => cluster.holdNode(node),
      onLost: (node, { tasks: { map } }) =>
        picture.say(
          screen.warning(`${node} was killed, with all its processes, when ${map!.done} of ${map!.instances} instances of map were done`),
        ),
    });
    let web: string | undefined;
    const counted = await countWords({
      client,
      signal,
      picture,
      onStart: ({ id, runId }) => {
        web = webAddress(info, id, runId);
        screen.fact('job', id);
        if (web) screen.fact('web UI', web);
      },
      onProgress: options.killNode ? loser.onProgress : () => {},
    });
    if (options.killNode && !(await loser.lost())) throw new Error('the job was over before a node could be killed');
    await showAnswer(context, pangu, put, counted, web);
    if (!options.tour) return;
    const sights = await runTour({ info, screen, client, pangu, signal, nuwa: member.nuwa, kuafu: member.kuafu });
    showSights(context, { ...(web ? { 'word count': web } : {}), ...sights });
  } finally {
    await pangu.close();
    await member.leave();
    await client.connection.close();
  }
}

async function showAnswer(
  { screen, phases }: DemoContext,
  pangu: PanguClient,
  put: PutTexts,
  { result, progress }: CountedWords,
  web: string | undefined,
): Promise<void> {
  const { map, reduce } = progress.tasks;
  phases.plan = progress.planMs ?? 0;
  phases.map = (map?.finishedAtMs ?? 0) - (map?.startedAtMs ?? 0);
  phases.reduce = (reduce?.finishedAtMs ?? 0) - (reduce?.startedAtMs ?? 0);
  phases.publish = progress.publishMs ?? 0;

  const output = result.outputs[0]!;
  const counts = await readCounts(pangu, output.directory, TOP);
  screen.title(`The ${counts.top.length} most frequent of ${formatCount(counts.distinct)} words`);
  const width = formatCount(counts.top[0]?.count ?? 0).length;
  for (const { word, count } of counts.top) screen.line(`  ${formatCount(count).padStart(width)}  ${word}`);

  screen.title('Done');
  const failed = [map, reduce].reduce((sum, task) => sum + (task?.failedAttempts ?? 0), 0);
  const again = [map, reduce].reduce((sum, task) => sum + (task?.rerun ?? 0), 0);
  if (failed + again > 0)
    screen.fact('mended', `${failed} attempts failed and were tried elsewhere; ${again} lost outputs were made again`);
  screen.fact('output', `${output.directory} (${counts.files} files, ${formatBytes(counts.bytes)})`);
  if (web) screen.fact('web UI', web);
  screen.fact(
    'time',
    Object.entries(phases)
      .map(([phase, ms]) => `${phase} ${formatMs(ms)}`)
      .join(' · '),
  );
  if (counts.words !== put.words)
    throw new Error(`the answer is wrong: ${formatCount(put.words)} words were put, and ${formatCount(counts.words)} were counted`);
  screen.fact('checked', `${formatCount(put.words)} words, equal`);
}

function showSights({ screen, options, cluster: { info } }: DemoContext, workflows: Sights): void {
  screen.title(options.keep ? 'Where to look' : 'Where to look, with `npm run demo -- --tour --keep`');
  for (const [what, address] of Object.entries(workflows)) screen.line(`  ${what.padEnd(18)} ${address}`);
  screen.line(`  ${'Prometheus'.padEnd(18)} ${info.prometheus ?? 'not found on PATH; see infra/README.md'}`);
  const grafana = info.grafana ?? `not found on PATH; \`npm run dashboards -- --push URL\` loads the dashboards into one that runs`;
  screen.line(`  ${'Grafana'.padEnd(18)} ${grafana}`);
}

export async function timed<T>(phases: Record<string, number>, phase: string, work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  try {
    return await work();
  } finally {
    phases[phase] = performance.now() - startedMs;
  }
}
