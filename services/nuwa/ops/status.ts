import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService, ServerStatus } from '../contract.ts';
import type { NuwaContext } from './context.ts';

export function status(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['status'] {
  const startedMs = nuwa.clock.monotonicMs();
  return async () => statusOf(nuwa, nuwa.clock.monotonicMs() - startedMs);
}

function statusOf({ group, watchers, zookeeper, founder }: NuwaContext, uptimeMs: number): ServerStatus {
  const { config, progress, problems, ...standing } = group.status();
  const waitsFor = founder?.waitsFor;
  const { revision, nodes } = group.state;
  const door = zookeeper();
  const told = [...(problems.length > 0 ? problems : [waitsFor]), door?.problem];
  return {
    ...standing,
    revision,
    nodes,
    problems: told.filter((problem) => problem !== undefined),
    watches: watchers.size,
    members: [...config.members],
    progress: [...progress],
    zookeeper: door?.address,
    uptimeMs: Math.round(uptimeMs),
  };
}
