/**
 * Nodes leave a running cluster. First they drain: nothing new comes to them, and their replicas are copied elsewhere, each counted before the old one goes.
 * Up to here all can be undone. Then services and jobs leave, what was written meanwhile drains too, the roles end, and when the masters say that nothing
 * of the nodes is needed their names and data go. Once nodes leave it goes on to its end, also when it is cancelled.
 */
import { ActivityCancellationType, CancellationScope, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { NodeActivities } from '../../activities/index.ts';
import { parseShrink } from '../../services/dayu/core/nodes-documents.ts';
import { NodesState, stepMs } from '../../services/dayu/core/nodes-state.ts';
import type { NodesResult, Shrink, ShrinkFacts } from '../../services/dayu/nodes-contract.ts';
import { tuboQueue } from '../../services/fuxi/contract.ts';
import { removeApplications } from './node-applications.ts';
import { explained, long, NodesRun, quick, refuse, rootOf } from './nodes-run.ts';

/** So long writers may go on with chunks that they have begun on a node; a chunk of 64 MiB takes seconds. */
const OPEN_CHUNKS_MS = 15_000;
/** So long batches may run on before they are begun anew elsewhere. */
const WORK_GRACE_MS = 60_000;
const MEND_STEP_MS = 60_000;

export async function dayuShrink(document: unknown): Promise<NodesResult> {
  const parsed = parseShrink(document);
  if (!parsed.ok) throw refuse('InvalidShrink', parsed.problems);
  return new ShrinkRun(parsed.document).main();
}

class ShrinkRun {
  readonly #shrink: Shrink;
  readonly #run: NodesRun;
  readonly #state: NodesState;
  readonly #holder = { workflowId: workflowInfo().workflowId, runId: workflowInfo().runId };
  #facts: ShrinkFacts | undefined;

  constructor(shrink: Shrink) {
    this.#shrink = shrink;
    this.#state = new NodesState(
      'shrink',
      shrink.nodes.map((id) => ({ id, rack: '' })),
      Date.now(),
    );
    this.#run = new NodesRun(this.#state, shrink.user);
  }

  async main(): Promise<NodesResult> {
    const run = this.#run;
    run.begin();
    try {
      if (!(await run.undoable(() => this.#drainAll()))) {
        await this.#undo();
        run.end('aborted', 'aborted on request; nodes stay, and what was moved stays moved');
        return this.#state.result('aborted', 0);
      }
      return await CancellationScope.nonCancellable(() => this.#leave());
    } catch (error) {
      await CancellationScope.nonCancellable(async () => {
        if (this.#state.canAbort) await this.#undo();
        run.end('failed', isCancellation(error) ? 'cancelled; nodes stay' : rootOf(error).message);
      });
      throw explained(error);
    } finally {
      await CancellationScope.nonCancellable(async () => {
        if (this.#facts) await quick.endShrink.executeWithOptions({ summary: 'let others shrink' }, [{ holder: this.#holder }]);
      });
    }
  }

  // ---- what can be undone ----

  async #drainAll(): Promise<void> {
    const { nodes } = this.#shrink;
    const names = nodes.join(', ');
    const facts = await CancellationScope.nonCancellable(() =>
      quick.beginShrink.executeWithOptions({ summary: `may ${names} leave?` }, [{ holder: this.#holder, document: this.#shrink }]),
    );
    this.#facts = facts;
    this.#state.plan = {
      ...facts,
      steps: [
        `copy all replicas of ${names} elsewhere`,
        'stop services there, and let jobs end or go elsewhere',
        'stop the nodes, and remove their names and data',
      ],
    };
    for (const { id, rack, replicas, bytes } of facts.nodes)
      this.#state.set(id, { rack, state: 'draining', replicasLeft: replicas, bytesLeft: bytes });
    this.#run.enter('draining');
    // All of them before anything moves, or replicas would go from one to the next.
    await Promise.all(nodes.map((node) => this.#setDraining(node, true)));
    const sealAtMs = Date.now() + OPEN_CHUNKS_MS;
    await Promise.all(
      nodes.map(async (node) => {
        await this.#drain(node, sealAtMs);
        this.#show(node, { state: 'drained' });
      }),
    );
  }

  async #setDraining(node: string, draining: boolean): Promise<void> {
    const summary = draining ? `nothing new to ${node}` : `${node} takes new data again`;
    await quick.setDraining.executeWithOptions({ summary }, [{ node, draining }]);
  }

  async #drain(node: string, sealAtMs: number): Promise<void> {
    for (let step = 0; ; step++) {
      const sealAfterMs = Math.max(0, sealAtMs - Date.now());
      const moved = await long.drainNode.executeWithOptions({ summary: `copy replicas of ${node} elsewhere, step ${step + 1}` }, [
        { node, stepMs: stepMs(step), sealAfterMs },
      ]);
      this.#state.moved(node, moved);
      this.#run.show();
      if (moved.done) return;
    }
  }

  async #undo(): Promise<void> {
    if (!this.#facts) return;
    await Promise.all(this.#shrink.nodes.map((node) => this.#setDraining(node, false)));
  }

  // ---- what can't ----

  async #leave(): Promise<NodesResult> {
    const { nodes } = this.#shrink;
    this.#run.enter('leaving');
    await Promise.all(
      nodes.map(async (node) => {
        this.#show(node, { state: 'leaving', message: 'services and jobs end there' });
        await removeApplications(node);
        await this.#leaveTubo(node);
        // What was written while the rest was copied: by masters that had not heard yet, and in chunks that were open.
        await this.#drain(node, 0);
      }),
    );
    this.#run.enter('removing');
    await Promise.all(nodes.map((node) => this.#remove(node)));
    const underReplicated = await this.#mend();
    this.#run.end('done', underReplicated > 0 ? `${underReplicated} chunks have fewer replicas than they should` : undefined);
    return this.#state.result('done', underReplicated);
  }

  async #leaveTubo(node: string): Promise<void> {
    const { leaveTubo } = proxyActivities<Pick<NodeActivities, 'leaveTubo'>>({
      taskQueue: tuboQueue(node),
      startToCloseTimeout: '1 day',
      heartbeatTimeout: '15 seconds',
      retry: { initialInterval: '200 milliseconds', maximumInterval: '5 seconds' },
      cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    });
    await leaveTubo.executeWithOptions({ summary: `jobs on ${node} end, for up to ${WORK_GRACE_MS / 1000} s, or go elsewhere` }, [
      { graceMs: WORK_GRACE_MS },
    ]);
  }

  async #remove(id: string): Promise<void> {
    this.#show(id, { state: 'removing' });
    const { keeper } = await long.removeNode.executeWithOptions({ summary: `stop ${id}` }, [{ id }]);
    if (keeper === 'manual')
      this.#show(id, { state: 'removing', message: 'waits for you: stop its roles pangu-chunk and tubo; its data is needed no more' });
    await long.awaitNodeGone.executeWithOptions({ summary: `wait until ${id} is gone` }, [{ id }]);
    await quick.forgetNode.executeWithOptions({ summary: `forget ${id}` }, [{ id }]);
    this.#show(id, { state: 'done' });
  }

  /** @returns how many chunks could not be given the replicas they lack. */
  async #mend(): Promise<number> {
    for (;;) {
      const summary = 'give chunks the replicas that they lack';
      const { made, left } = await long.mendReplicas.executeWithOptions({ summary }, [{ stepMs: MEND_STEP_MS }]);
      if (left === 0 || made === 0) return left;
    }
  }

  #show(id: string, changed: Parameters<NodesState['set']>[1]): void {
    this.#state.set(id, changed);
    this.#run.show();
  }
}
