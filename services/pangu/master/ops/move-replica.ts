import { createMetrics } from '../../../base/metrics.ts';
import type { CopyOutcome } from '../../master-contract.ts';
import { PANGU_MASTER_METRICS } from '../../metrics.ts';
import type { MasterContext } from '../context.ts';
import { copyReplica } from '../copy-replica.ts';

const { replicasMoved } = createMetrics({ replicasMoved: PANGU_MASTER_METRICS.replicasMoved });

export async function moveReplica(
  context: MasterContext,
  request: { chunk: string; from: string; to?: string; seal: boolean; bytesPerSecond?: number },
): Promise<CopyOutcome> {
  const result = await copyReplica(context, request);
  if (result.outcome === 'done') replicasMoved.inc();
  return result;
}
