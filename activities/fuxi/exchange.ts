import { type AttemptPlace, attemptTokenParts } from '../../services/fuxi/attempt-contract.ts';
import type { Exchange } from '../../services/fuxi/contract.ts';
import { revoke, tokenIdOf } from '../../services/zhongkui/client.ts';
import type { FuxiServices } from './services.ts';

/** A token that was given before the revocation has ended by then: Tubo gives them for minutes. */
const REVOKED_MS = 3_600_000;

/**
 * Tells FuxiMaster all that one TaskMaster wants and holds. Grants come back as signals; `never` says why none can. Attempts that were given up while nobody
 * could kill them, as nothing is heard from their node, lose their tokens first: wherever they still run, they write no more.
 */
export function createExchange({ fuxiMaster, nuwa }: FuxiServices) {
  return async function exchange(words: Exchange, givenUp: AttemptPlace[] = []): Promise<{ never?: string }> {
    const expiresAtMs = Date.now() + REVOKED_MS;
    for (const attempt of givenUp)
      await revoke(nuwa, { of: tokenIdOf(...attemptTokenParts(attempt)), reason: 'the attempt was given up', expiresAtMs });
    const { never } = await fuxiMaster.exchange(words, { timeoutMs: 5_000 });
    return never === undefined ? {} : { never };
  };
}
