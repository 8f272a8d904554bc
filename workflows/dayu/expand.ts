/**
 * Nodes join a running cluster: their roles are started, by the launcher of a local cluster or by a person; when they are registered they get data and
 * work like all others. Replicas then move to them until each has its share. Nothing here has to be undone: a node that is there stays there.
 */
import { isCancellation } from '@temporalio/workflow';
import { formatBytes } from '../../services/base/units.ts';
import { parseExpand } from '../../services/dayu/core/nodes-documents.ts';
import { NodesState, stepMs } from '../../services/dayu/core/nodes-state.ts';
import type { Expand, NodesResult } from '../../services/dayu/nodes-contract.ts';
import { explained, long, NodesRun, quick, refuse, rootOf } from './nodes-run.ts';

type Node = Expand['nodes'][number];

export async function dayuExpand(document: unknown): Promise<NodesResult> {
  const parsed = parseExpand(document);
  if (!parsed.ok) throw refuse('InvalidExpand', parsed.problems);
  return new ExpandRun(parsed.document).main();
}

class ExpandRun {
  readonly #expand: Expand;
  readonly #run: NodesRun;
  readonly #state: NodesState;

  constructor(expand: Expand) {
    this.#expand = expand;
    this.#state = new NodesState('expand', expand.nodes, Date.now());
    this.#run = new NodesRun(this.#state, expand.user);
  }

  async main(): Promise<NodesResult> {
    const run = this.#run;
    run.begin();
    try {
      const finished = await run.undoable(() => this.#expandCluster());
      run.end(finished ? 'done' : 'aborted', finished ? undefined : 'aborted on request; nodes that are there stay');
      return this.#state.result(finished ? 'done' : 'aborted', 0);
    } catch (error) {
      run.end('failed', isCancellation(error) ? 'cancelled' : rootOf(error).message);
      throw explained(error);
    }
  }

  async #expandCluster(): Promise<void> {
    const { nodes, balance } = this.#expand;
    const names = nodes.map(({ id }) => id).join(', ');
    const { nodesAfter } = await quick.checkExpand.executeWithOptions({ summary: `may ${names} join?` }, [this.#expand]);
    this.#state.plan = {
      nodes: nodes.map((node) => ({ ...node, replicas: 0, bytes: 0 })),
      nodesAfter,
      steps: [
        `start ${names}`,
        'wait until they are registered',
        balance ? 'move replicas there until each has its share' : 'no balance was asked for',
      ],
    };
    this.#run.enter('starting');
    await Promise.all(nodes.map((node) => this.#start(node)));
    if (!balance) return;
    this.#run.enter('balancing');
    // One after the other: each is given its share of what there is then.
    for (const node of nodes) await this.#balance(node);
  }

  async #start(node: Node): Promise<void> {
    const { id, rack } = node;
    this.#show(id, { state: 'starting' });
    const { keeper } = await long.addNode.executeWithOptions({ summary: `start ${id} in ${rack}` }, [node]);
    if (keeper === 'manual')
      this.#show(id, { message: `waits for you: run \`feitian run pangu-chunk tubo --node ${id} --rack ${rack} …\` on its machine` });
    await long.awaitNode.executeWithOptions({ summary: `wait until ${id} is registered` }, [{ id }]);
    this.#show(id, { state: 'joined' });
  }

  async #balance({ id }: Node): Promise<void> {
    this.#show(id, { state: 'balancing' });
    for (let step = 0; ; step++) {
      const moved = await long.balanceNode.executeWithOptions({ summary: `move replicas to ${id}, step ${step + 1}` }, [
        { node: id, stepMs: stepMs(step) },
      ]);
      this.#state.moved(id, moved);
      if (moved.done) break;
      this.#run.show();
    }
    const { bytesMoved } = this.#state.progress().nodes[id]!;
    this.#show(id, {
      state: 'done',
      bytesLeft: 0,
      message: bytesMoved > 0 ? '' : `${formatBytes(0)} suited: it fills up with what is written from now on`,
    });
  }

  #show(id: string, changed: Parameters<NodesState['set']>[1]): void {
    this.#state.set(id, changed);
    this.#run.show();
  }
}
