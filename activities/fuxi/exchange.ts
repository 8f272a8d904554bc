import type { Exchange } from '../../services/fuxi/contract.ts';
import type { FuxiServices } from './services.ts';

/** Tells FuxiMaster all that one TaskMaster wants and holds. Grants come back as signals; `never` says why none can. */
export function createExchange({ fuxiMaster }: FuxiServices) {
  return async function exchange(words: Exchange): Promise<{ never?: string }> {
    const { never } = await fuxiMaster.exchange(words, { timeoutMs: 5_000 });
    return never === undefined ? {} : { never };
  };
}
