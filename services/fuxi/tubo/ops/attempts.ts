import type { ServiceHandlers } from '../../../kuafu/contract.ts';
import type { tuboService } from '../../contract.ts';
import { type AttemptTable, fileBytes, logFile } from '../attempt-table.ts';

/** What ran here for a job run, or runs now. */
export function createAttempts(table: AttemptTable, logsDirectory: string): ServiceHandlers<typeof tuboService>['attempts'] {
  return async ({ runId }) => {
    const rows = table.list(runId);
    const attempts = await Promise.all(rows.map(async (row) => ({ ...row, logBytes: await fileBytes(logFile(logsDirectory, row)) })));
    return { attempts };
  };
}
