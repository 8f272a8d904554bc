import { sumOf } from '../../core/pool-resources.ts';
import { waiting } from '../../core/pool-why.ts';
import type { FuxiMaster } from '../master.ts';

/** What there is, what is in use, and who waits for what and why. */
export function createNodes({ pool }: FuxiMaster) {
  return async () => {
    const nodes = [...pool.nodes.values()].map(({ id, rack, capacity, containers }) => {
      const used = sumOf([...containers.values()].map((container) => container.resources));
      const { cpu, memoryMiB } = capacity;
      return { id, rack, cpu, memoryMiB, cpuUsed: used.cpu, memoryMiBUsed: used.memoryMiB, containers: containers.size };
    });
    nodes.sort((a, b) => (a.id < b.id ? -1 : 1));
    return { nodes, waiting: waiting(pool) };
  };
}
