import type { Command } from 'commander';
import { deleteClusterData, stopCluster } from '../../cluster/launch.ts';
import { clusterDirectory } from '../../cluster/layout.ts';
import { action, print, printJson } from '../ui/action.ts';
import { formatMs } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

interface Flags extends VerbOptions {
  deleteData?: boolean;
}

export function register(program: Command): void {
  verb(
    program,
    'down',
    'stop the local cluster, and check that nothing of it is left running',
    'feitian down',
    'feitian down --delete-data',
  )
    .option('--delete-data', 'then remove its directory with all it holds')
    .action(action(down));
}

async function down({ dir, json, deleteData = false }: Flags): Promise<void> {
  const startedMs = performance.now();
  const place = clusterDirectory(dir);
  const stopped = await stopCluster(place);
  if (deleteData) await deleteClusterData(place);
  const ms = Math.round(performance.now() - startedMs);
  if (json) printJson({ dir: place, stopped, deleted: deleteData, ms });
  else {
    print(stopped ? `stopped after ${formatMs(ms)}; no process and no port is left` : `no cluster is up in ${place}`);
    if (deleteData) print(`removed ${place}`);
  }
}
