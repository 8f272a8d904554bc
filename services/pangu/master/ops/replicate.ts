import type { CopyOutcome } from '../../master-contract.ts';
import type { MasterContext } from '../context.ts';
import { copyReplica } from '../copy-replica.ts';
import { healingMetrics } from '../healing-metrics.ts';

export async function replicate(
  context: MasterContext,
  request: { chunk: string; to?: string; source?: string; bytesPerSecond?: number },
): Promise<CopyOutcome> {
  const result = await copyReplica(context, { ...request, seal: false });
  if (result.outcome === 'done') {
    healingMetrics.replicasMade.inc();
    healingMetrics.repairedBytes.inc(result.bytes);
  }
  return result;
}
