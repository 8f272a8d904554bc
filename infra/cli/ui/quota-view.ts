import type { Quota } from '../../../services/pangu/contract.ts';
import { shownName } from './file-view.ts';
import { renderTable } from './table.ts';
import { formatBytes, formatCount } from './units.ts';

const right = (title: string) => ({ title, align: 'right' }) as const;

export function quotaTable(quotas: readonly Quota[]): string {
  const limit = (max: number | null, format: (value: number) => string): string => (max === null ? 'any' : format(max));
  return renderTable(
    [right('files'), right('of'), right('bytes'), right('of'), { title: 'directory' }],
    quotas.map(({ path, files, filesMax, bytes, bytesMax }) => [
      formatCount(files),
      limit(filesMax, formatCount),
      formatBytes(bytes),
      limit(bytesMax, formatBytes),
      shownName(path),
    ]),
  );
}
