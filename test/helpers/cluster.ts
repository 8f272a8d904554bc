import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowFailedError, WorkflowHandle } from '@temporalio/client';
import { commandIdentity } from '../../infra/cli/ui/identity.ts';
import { asAddress, callingServers } from '../../infra/cli/ui/nuwa.ts';
import { askGroup, viewOf } from '../../infra/cli/ui/nuwa-group.ts';
import { type ClusterHandle, type ClusterInfo, deleteClusterData, startCluster } from '../../infra/cluster/launch.ts';
import { layoutOf } from '../../infra/cluster/layout.ts';
import { connectClient } from '../../infra/temporal/connect.ts';
import { newId } from '../../services/base/ids.ts';
import { DAYU_MASTER_SERVICE, dayuMasterService } from '../../services/dayu/contract.ts';
import { FEITIAN_QUEUE, type JobProgress, type JobResult } from '../../services/fuxi/contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';
import { joinCluster } from '../../services/nuwa/client.ts';
import type { NuwaClient } from '../../services/nuwa/contract.ts';
import { createPangu } from '../../services/pangu/client.ts';
import type { PanguClient } from '../../services/pangu/contract.ts';
import { sortedLines } from './word-count.ts';

/** A whole local cluster of real processes in a directory of its own, with clients of all it serves. With one Nuwa server unless told otherwise. */
export interface TestCluster {
  dir: string;
  cluster: ClusterHandle;
  temporal: Client;
  pangu: PanguClient;
  nuwa: NuwaClient;
  dayuMaster: ServiceClient<typeof dayuMasterService>;
  submit(document: unknown, workflowId?: string): Promise<WorkflowHandle>;
  /** A rollout of the example service; `more` are fields of its document. */
  rollOut(version: string, more?: object, workflowId?: string): Promise<WorkflowHandle>;
  stop(): Promise<void>;
}

/** Its roles share processes, as with `feitian up --together`, which start in half the time: whoever kills or counts those of single roles says otherwise. */
export async function openCluster(options: Partial<Parameters<typeof startCluster>[0]> = {}): Promise<TestCluster> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'feitian-test-')));
  const cluster = await startCluster({ nuwaServers: 1, together: true, ...options, dir, attached: true });
  const { info } = cluster;
  const temporal = await connectClient(info.temporal);
  const member = await joinAsAdmin(info, 'test');
  const pangu = createPangu({ cluster: info.name, kuafu: member.kuafu, nuwa: member.nuwa });
  return {
    dir,
    cluster,
    temporal,
    pangu,
    nuwa: member.nuwa,
    dayuMaster: member.kuafu.service(dayuMasterService, `nuwa://${info.name}/${DAYU_MASTER_SERVICE}/`),
    rollOut: (version, more = {}, workflowId = newId('rollout')) =>
      temporal.workflow.start('dayuRollout', {
        taskQueue: FEITIAN_QUEUE,
        workflowId,
        args: [{ application: 'hello', version, gate: { bakeMs: 500, healthyWithinMs: 20_000 }, ...more }],
      }),
    submit: (document, workflowId = newId('job')) =>
      temporal.workflow.start('fuxiJob', { taskQueue: FEITIAN_QUEUE, workflowId, args: [document] }),
    async stop() {
      await pangu.close();
      await member.leave();
      await temporal.connection.close();
      await cluster.stop();
      if (!options.dir) await deleteClusterData(dir);
    },
  };
}

/** A member of a local cluster that may do everything. */
export async function joinAsAdmin(info: ClusterInfo, creator: string): ReturnType<typeof joinCluster> {
  const nuwa = info.nuwa.kuafu.map((address) => asAddress(address));
  return await joinCluster({ cluster: info.name, nuwa, creator, identity: await commandIdentity(info) });
}

/** The name of the Nuwa server that leads, once one does. */
export async function nuwaLeader(info: ClusterInfo): Promise<string> {
  const { nuwa } = info;
  return await callingServers(await commandIdentity(info), async (kuafu) => {
    for (;;) {
      const { leader } = viewOf(
        await askGroup(
          kuafu,
          nuwa.kuafu.map((address) => asAddress(address)),
        ),
      );
      if (leader !== undefined) return leader;
      await delay(20);
    }
  });
}

/** What whoever asks a local cluster by HTTP shows. */
export const httpTokenOf = ({ dir }: Pick<TestCluster, 'dir'>): Promise<string> => readFile(layoutOf(dir).httpTokenFile, 'utf8');

export const resultOf = (handle: WorkflowHandle): Promise<JobResult> => handle.result() as Promise<JobResult>;
export const progressOf = (handle: WorkflowHandle): Promise<JobProgress> => handle.query<JobProgress>('progress');

/** How a job failed: the type and message that a client and the Web UI see. */
export async function failureOf(handle: WorkflowHandle): Promise<{ type: string; message: string }> {
  try {
    await handle.result();
  } catch (error) {
    const { cause } = error as WorkflowFailedError;
    return cause as Error & { type: string };
  }
  throw new Error('the job succeeded');
}

/** The lines of all part files of a directory, sorted. */
export async function outputLines(pangu: PanguClient, directory: string): Promise<string[]> {
  const files: Buffer[] = [];
  for await (const { path } of pangu.readdir(directory)) files.push(await pangu.readFile(path));
  return sortedLines(files);
}

/** Processes of a job's attempts that run; Linux tells by their environment. */
export async function processesOf(workflowId: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(pid)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''); // gone, or somebody else's
    if (environment.split('\0').includes(`FEITIAN_JOB=${workflowId}`)) found.push(pid);
  }
  return found;
}

/** What jobs left behind in Pangu; nothing, if all is well. */
export async function leftovers(pangu: PanguClient): Promise<string[]> {
  const left: string[] = [];
  try {
    for await (const { path } of pangu.readdir('/.fuxi')) left.push(path);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
  }
  return left;
}
