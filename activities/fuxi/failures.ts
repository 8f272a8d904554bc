import { ApplicationFailure } from '@temporalio/activity';
import type { FuxiCode } from '../../services/fuxi/contract.ts';
import { PanguError } from '../../services/pangu/contract.ts';

/** A failure that no retry can mend, as the Web UI and clients will see it. */
export function refuse(code: FuxiCode, message: string, options: { cause?: unknown; details?: unknown[] } = {}): ApplicationFailure {
  return ApplicationFailure.create({
    nonRetryable: true,
    type: code,
    message,
    details: options.details ?? [],
    ...(options.cause instanceof Error ? { cause: options.cause } : {}),
  });
}

/** Pangu's refusals as job failures; anything else (a server that is away for now) passes and is retried. */
export function explainPangu(error: unknown, doing: string): unknown {
  if (!(error instanceof PanguError)) return error;
  if (error.code === 'EIO') return error;
  return refuse('StorageFailed', `${doing}: ${error.message}`, { cause: error });
}
