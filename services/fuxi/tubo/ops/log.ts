import { open } from 'node:fs/promises';
import type { ServiceHandlers } from '../../../kuafu/contract.ts';
import type { tuboService } from '../../contract.ts';
import { logFile } from '../attempt-table.ts';

/** Standard error of one attempt. One that said nothing has no file and reads as empty. */
export function createLog(logsDirectory: string): ServiceHandlers<typeof tuboService>['log'] {
  return async ({ offset, length, ...attempt }) => {
    let file: Awaited<ReturnType<typeof open>>;
    try {
      file = await open(logFile(logsDirectory, attempt), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { body: { totalBytes: 0 }, attachment: new Uint8Array(0) };
      throw error;
    }
    try {
      const { size } = await file.stat();
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
      return { body: { totalBytes: size }, attachment: bytes.subarray(0, bytesRead) };
    } finally {
      await file.close();
    }
  };
}
