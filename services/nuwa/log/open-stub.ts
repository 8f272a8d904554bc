import type { Logger } from '../../base/log.ts';
import type { Storage, StorageOptions } from './port.ts';
export async function openStorage(_options: StorageOptions, _log: Logger): Promise<Storage> {
  throw new Error('stub');
}
