import { messageOf } from '../../base/errors.ts';
import type { ClientContext } from './context.ts';

/** In the background: the read goes on with another replica. */
export function reportBadReplica({ log, masters }: ClientContext, chunk: string, node: string, error: unknown): void {
  const reason = messageOf(error).slice(0, 1000);
  log.warn({ chunk, node, reason }, 'read.replica.bad');
  masters
    .reportBadReplica({ chunk, node, reason })
    .catch((failure) => log.warn({ chunk, node, error: messageOf(failure) }, 'read.report.failed'));
}
