import { randomBytes } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { type Command, InvalidArgumentError } from 'commander';
import { describeProblems } from '../../../services/base/problems.ts';
import { parseExpand, parseShrink } from '../../../services/dayu/core/nodes-documents.ts';
import type { ExpandDocument, NodesProgress, NodesResult, ShrinkDocument } from '../../../services/dayu/nodes-contract.ts';
import { FEITIAN_QUEUE } from '../../../services/fuxi/contract.ts';
import type { ClusterInfo } from '../../cluster/cluster-file.ts';
import { action, print, printJson, SilentFailure, UsageError } from '../ui/action.ts';
import { describeFailure, explainFailure } from '../ui/failure.ts';
import { queryProgress } from '../ui/follow-workflow.ts';
import { describeNodes } from '../ui/nodes-view.ts';
import { webAddress, withTemporal } from '../ui/temporal.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';
import { watchNodes } from '../ui/watch-nodes.ts';

interface NodesOptions extends VerbOptions {
  user: string;
  id?: string;
  wait?: boolean;
  watch?: boolean;
}

/** `feitian dayu expand` and `shrink`: plain Temporal clients; whatever they do, any Temporal client can do. */
export function registerNodeVerbs(dayu: Command): void {
  const expand = verb(
    dayu,
    'expand',
    'nodes join the cluster, and get their share of its data and work',
    'feitian dayu expand --nodes node-5:rack-a,node-6:rack-b --watch',
  )
    .requiredOption('--nodes <id:rack,…>', 'the new nodes, each with its rack', nodesWithRacks)
    .option('--no-balance', 'move no replicas there: they fill up with what is written from now on');
  shared(expand).action(
    action(async (options: NodesOptions & { nodes: ExpandDocument['nodes']; balance: boolean }) => {
      const document = { nodes: options.nodes, user: options.user, balance: options.balance };
      const parsed = parseExpand(document);
      if (!parsed.ok) throw new UsageError(describeProblems(parsed.problems));
      await run('dayuExpand', newId('expand', options.nodes[0]!.id), document, options);
    }),
  );

  const shrink = verb(
    dayu,
    'shrink <node...>',
    'nodes leave the cluster: their data is copied elsewhere first, their work ends or goes elsewhere',
    'feitian dayu shrink node-5 --watch',
  );
  shared(shrink).action(
    action(async (nodes: string[], options: NodesOptions) => {
      const document: ShrinkDocument = { nodes, user: options.user };
      const parsed = parseShrink(document);
      if (!parsed.ok) throw new UsageError(describeProblems(parsed.problems));
      await run('dayuShrink', newId('shrink', nodes[0]!), document, options);
    }),
  );
}

function shared(command: Command): Command {
  return command
    .option('--user <name>', 'who does it', process.env.USER || 'default')
    .option('--id <id>', 'workflow id (default: made of what is done, the first node and a short random id)')
    .option('--wait', 'until it has ended; exit code 1 if it failed')
    .option('--watch', 'the same, and show how it goes');
}

function nodesWithRacks(text: string): ExpandDocument['nodes'] {
  return text.split(',').map((part) => {
    const [id, rack, more] = part.split(':');
    if (!id || !rack || more !== undefined) throw new InvalidArgumentError(`${part} is not <node>:<rack>.`);
    return { id, rack };
  });
}

function newId(what: string, node: string): string {
  return `${what}-${node}-${randomBytes(3).toString('hex')}`;
}

async function run(type: string, defaultId: string, document: unknown, options: NodesOptions): Promise<void> {
  await withTemporal(options.dir, async (client, cluster) => {
    const workflowId = options.id ?? defaultId;
    const { firstExecutionRunId: runId } = await client.workflow.start(type, {
      taskQueue: FEITIAN_QUEUE,
      workflowId,
      args: [document],
      staticSummary: workflowId,
    });
    const ends = options.wait || options.watch;
    const ui = webAddress(cluster, workflowId, runId);
    if (options.json && !ends) return printJson({ id: workflowId, runId, ...(ui ? { ui } : {}) });
    if (!options.json) print(ui ? `${workflowId}\n${ui}` : workflowId);
    if (ends) await tellEnd(client, cluster, workflowId, runId, options);
  });
}

/** Waits for the end and tells it; exit code 1 if it did not succeed, also when it was aborted. */
async function tellEnd(client: Client, cluster: ClusterInfo, id: string, runId: string, options: NodesOptions): Promise<void> {
  const handle = client.workflow.getHandle(id, runId);
  if (options.watch) await watchNodes(handle);
  const ended: { result: NodesResult } | { failure: ReturnType<typeof explainFailure> } = await handle.result().then(
    (result) => ({ result: result as NodesResult }),
    (error) => ({ failure: explainFailure(error) }),
  );
  const progress: NodesProgress | undefined = await queryProgress<NodesProgress>(handle);
  const ui = webAddress(cluster, id, runId);
  if (options.json) printJson({ id, runId, ...(ui ? { ui } : {}), ...ended, ...(progress ? { progress } : {}) });
  else if (progress) print(describeNodes(progress));
  if ('failure' in ended) process.stderr.write(`feitian: ${describeFailure(ended.failure)}\n`);
  if ('failure' in ended || ended.result.outcome !== 'done') throw new SilentFailure();
}
