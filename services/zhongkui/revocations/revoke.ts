import { hasCode } from '../../base/errors.ts';
import type { NuwaClient } from '../../nuwa/contract.ts';
import { CLOCK_SKEW_MS_MAX, REVOCATIONS_PATH, ZhongkuiError } from '../contract.ts';
import { REVOCABLE, type Revocation } from '../core/revocation.ts';

/** The entry goes by itself some time after all that it revokes has ended; no sooner, however the clocks differ. */
const MARGIN_MS = 10 * CLOCK_SKEW_MS_MAX;

/**
 * Revokes a link or a key, everywhere within REVOCATION_FRESH_MS. Written again it takes the place of what was there. The directory is touched last and in the same step:
 * followers go by that (follower.ts).
 */
export async function revoke(
  nuwa: Pick<NuwaClient, 'create' | 'transact'>,
  of: string,
  revocation: Revocation,
  nowMs: number,
): Promise<void> {
  if (!REVOCABLE.test(of))
    throw new ZhongkuiError('NoSuchKey', `${JSON.stringify(of.slice(0, 80))} is neither the id of a token nor the fingerprint of a key`);
  await nuwa.create(REVOCATIONS_PATH, new Uint8Array(), { parents: true }).catch((error: unknown) => {
    if (!hasCode(error, 'NodeExists')) throw error;
  });
  const path = `${REVOCATIONS_PATH}/${of}`;
  const value = Buffer.from(JSON.stringify(revocation));
  const ttlMs = Math.max(0, Math.ceil(revocation.expiresAtMs - nowMs)) + MARGIN_MS;
  const create = { kind: 'create', path, value, ttlMs } as const;
  const touch = { kind: 'set', path: REVOCATIONS_PATH, value: Buffer.from(of) } as const;
  // A TTL is given at the making only, so what is there goes first. Somebody else may write the same entry meanwhile.
  for (let attempt = 1; ; attempt++) {
    try {
      await nuwa.transact([create, touch]);
      return;
    } catch (error) {
      if (!hasCode(error, 'NodeExists')) throw error;
    }
    try {
      await nuwa.transact([{ kind: 'delete', path }, create, touch]);
      return;
    } catch (error) {
      if (!hasCode(error, 'NoNode') || attempt === 3) throw error;
    }
  }
}
