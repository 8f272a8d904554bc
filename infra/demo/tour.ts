/**
 * The rest of the tour, after the word count: a service is rolled out, a new version of it takes its place under load, and a bad version takes itself
 * back. Each is a workflow that any Temporal client could have started.
 */
import type { Client } from '@temporalio/client';
import {
  DAYU_MASTER_SERVICE,
  dayuMasterService,
  type RolloutDocument,
  rolloutWorkflowId,
  serviceName,
} from '../../services/dayu/contract.ts';
import { FEITIAN_QUEUE } from '../../services/fuxi/contract.ts';
import type { KuafuClient } from '../../services/kuafu/contract.ts';
import { nuwaResolver } from '../../services/nuwa/client.ts';
import type { NuwaClient } from '../../services/nuwa/contract.ts';
import type { PanguClient } from '../../services/pangu/contract.ts';
import { explainFailure } from '../cli/ui/failure.ts';
import { webAddress } from '../cli/ui/temporal.ts';
import { formatCount } from '../cli/ui/units.ts';
import { watchRollout } from '../cli/ui/watch-rollout.ts';
import type { ClusterInfo } from '../cluster/cluster-file.ts';
import { releaseHello } from './hello-releases.ts';
import type { Screen } from './screen.ts';
import { loadService } from './service-load.ts';

export interface TourContext {
  info: ClusterInfo;
  screen: Screen;
  client: Client;
  nuwa: NuwaClient;
  kuafu: KuafuClient;
  pangu: PanguClient;
  signal: AbortSignal;
}

const APPLICATION = 'hello';
const NODES_MAX = 3;
/** Shorter than what a real service would want: the tour is to be a short one. */
const GATE = { healthyWithinMs: 20_000, bakeMs: 1_500 };

/** Where people can look afterwards, by what it is. */
export type Sights = Record<string, string>;

export async function runTour(context: TourContext): Promise<Sights> {
  const { info, screen, nuwa, kuafu } = context;
  const dayuMaster = kuafu.service(dayuMasterService, `nuwa://${info.name}/${DAYU_MASTER_SERVICE}/`);
  const release = (version: string, environment?: Record<string, string>) => releaseHello({ ...context, dayuMaster }, version, environment);
  const sights: Sights = {};
  const rollOut = async (version: string) => {
    const rolled = await roll(context, version);
    if (rolled.web) sights[`rollout of ${version}`] = rolled.web;
    return rolled;
  };

  screen.title('Rolling out a service: hello 1.0.0');
  await release('1.0.0');
  mustBe(await rollOut('1.0.0'), undefined);

  screen.title('A new version, 2.0.0, while it is asked all the time');
  await release('2.0.0', { GREETING: 'hello again' });
  const load = loadService(nuwaResolver(nuwa, { cluster: info.name }), `nuwa://${info.name}/${serviceName(APPLICATION, 'web')}/`);
  const second = await rollOut('2.0.0').finally(() => load.stop());
  mustBe(second, undefined);
  const { requests, failures, byVersion } = load.counts();
  const answers = Object.entries(byVersion).map(([version, count]) => `${formatCount(count)} by ${version}`);
  screen.fact('load', `${formatCount(requests)} requests through Nuwa, ${formatCount(failures.length)} failed (${answers.join(', ')})`);
  if (failures.length > 0) throw new Error(`requests failed while the new version was rolled out; the first: ${failures[0]}`);

  screen.title('A bad version, 3.0.0, that ends at its start');
  await release('3.0.0', { BEHAVIOUR: 'crash' });
  const third = await rollOut('3.0.0');
  mustBe(third, 'RolledBack');
  screen.fact('stopped', third.failure!.message.split('\n', 1)[0]!);
  const { placements } = await dayuMaster.application({ application: APPLICATION });
  const versions = [...new Set(placements.map((placement) => placement.version))];
  if (versions.join() !== '2.0.0') throw new Error(`after the rollback nodes should run 2.0.0, not ${versions.join(', ')}`);
  screen.fact('runs', `${APPLICATION} ${versions.join(', ')} on ${placements.map(({ node }) => node).join(', ')}`);

  return sights;
}

interface Rolled {
  version: string;
  web?: string;
  failure?: { type: string; message: string };
}

async function roll({ client, info, signal }: TourContext, version: string): Promise<Rolled> {
  signal.throwIfAborted();
  const nodes = info.nodes.slice(0, NODES_MAX).map(({ id }) => id);
  const document: RolloutDocument = { application: APPLICATION, version, targets: { nodes }, gate: GATE };
  const handle = await client.workflow.start('dayuRollout', {
    taskQueue: FEITIAN_QUEUE,
    workflowId: rolloutWorkflowId(APPLICATION, version.replaceAll('.', '-')),
    args: [document],
    staticSummary: `${APPLICATION} ${version}`,
  });
  await watchRollout(handle);
  const web = webAddress(info, handle.workflowId, handle.firstExecutionRunId);
  const failure = await handle.result().then(() => undefined, explainFailure);
  return { version, ...(web ? { web } : {}), ...(failure ? { failure } : {}) };
}

function mustBe({ version, failure }: Rolled, type: string | undefined): void {
  if (failure?.type === type) return;
  throw new Error(
    failure ? `the rollout of ${version} failed: ${failure.message}` : `the rollout of ${version} went well, and should not have`,
  );
}
