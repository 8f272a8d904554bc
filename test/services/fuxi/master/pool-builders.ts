import type { Container } from '../../../../services/fuxi/contract.ts';
import { apply, type FullExchange, type PoolEffect } from '../../../../services/fuxi/core/pool.ts';
import { schedule } from '../../../../services/fuxi/core/pool-schedule.ts';
import { createPool, type Pool, type PoolNode } from '../../../../services/fuxi/core/pool-state.ts';

/** A pool that has recovered, with these nodes: name → cpu. */
export function poolOf(nodes: Record<string, number>, epoch = 1): Pool {
  const pool = createPool(epoch);
  apply(pool, { kind: 'stopExpecting' });
  for (const [id, cpu] of Object.entries(nodes)) apply(pool, { kind: 'nodeUp', node: nodeOf(id, cpu) });
  return pool;
}

export function nodeOf(id: string, cpu: number, overrides: Partial<PoolNode> = {}): PoolNode {
  return { id, rack: 'rack-a', incarnation: '1', capacity: { cpu, memoryMiB: cpu * 1024, virtual: {} }, ...overrides };
}

export function exchangeOf(name: string, overrides: Partial<FullExchange> = {}): FullExchange {
  return {
    taskWorkflowId: name,
    taskRunId: `${name}-run`,
    sequence: 1,
    epoch: '1',
    grantSeen: 0,
    user: 'alice',
    quotaGroup: 'default',
    priority: 5,
    resources: { cpu: 1, memoryMiB: 256, virtual: {} },
    want: 1,
    holding: [],
    avoid: [],
    prefer: {},
    ...overrides,
  };
}

export function ask(pool: Pool, name: string, overrides: Partial<FullExchange> = {}): PoolEffect[] {
  return apply(pool, { kind: 'exchange', exchange: exchangeOf(name, overrides) });
}

/** What `schedule` granted: TaskMaster → containers, in the order they went out. */
export function grants(effects: PoolEffect[]): Record<string, Container[]> {
  return Object.fromEntries(
    effects.flatMap((effect) => (effect.kind === 'grant' ? [[effect.to.taskWorkflowId, effect.signal.containers]] : [])),
  );
}

export function grantedNodes(pool: Pool): Record<string, string[]> {
  return Object.fromEntries(Object.entries(grants(schedule(pool))).map(([name, containers]) => [name, containers.map(({ node }) => node)]));
}
