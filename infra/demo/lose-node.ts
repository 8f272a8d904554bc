import type { fuxiMasterService, JobProgress } from '../../services/fuxi/contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';

export interface NodeLoser {
  /** Told of the job's progress; takes a node away once, when the map is half done. */
  onProgress(progress: JobProgress): void;
  /** The node that was lost, and what went wrong with losing it, if anything. */
  lost(): Promise<string | undefined>;
}

export interface LoseNodeOptions {
  fuxiMaster: ServiceClient<typeof fuxiMasterService>;
  /** Kills every process of a node and keeps them down. */
  hold: (node: string) => Promise<void>;
  onLost: (node: string, progress: JobProgress) => void;
}

export function loseNodeInMidJob({ fuxiMaster, hold, onLost }: LoseNodeOptions): NodeLoser {
  let losing: Promise<string> | undefined;
  const lose = async (progress: JobProgress): Promise<string> => {
    const { nodes } = await fuxiMaster.nodes({});
    // The one with the most work, so that something is lost.
    const [busiest] = [...nodes].sort((a, b) => b.containers - a.containers || (a.id < b.id ? -1 : 1));
    if (!busiest) throw new Error('no node is there to be lost');
    await hold(busiest.id);
    onLost(busiest.id, progress);
    return busiest.id;
  };
  return {
    onProgress(progress) {
      const { map } = progress.tasks;
      if (losing || progress.phase !== 'running' || !map || map.instances === 0 || map.done * 2 < map.instances) return;
      losing = lose(progress);
      losing.catch(() => {}); // told by `lost`
    },
    lost: async () => losing,
  };
}
