import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Authority } from '../certificates/authority.ts';
import type { JoinStore } from '../certificates/join-store.ts';
import { rotationDue } from '../core/authority-rotation.ts';

/** Steps of an exchange of roots are a day apart; a key that is of no use any more lies about for an hour at most. */
const EVERY_MS = 3_600_000;
/** Expired tokens are kept for a while: somebody may ask why one did not work. */
const REMEMBERED_MS = 7 * 24 * 3_600_000;

export interface KeepAuthorityOptions {
  authority: Authority;
  store: JoinStore;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** Announces the next root when the present one is half through, throws away what has served its time. Ends with the signal. */
export async function keepAuthority(options: KeepAuthorityOptions): Promise<void> {
  const { clock, log, signal } = options;
  while (!signal.aborted) {
    await keepOnce(options).catch((error: unknown) => log.error({ error }, 'authority.unkept'));
    await clock.sleep(EVERY_MS, signal, { ref: false }).catch(() => {});
  }
}

export async function keepOnce({ authority, store, clock, log }: Omit<KeepAuthorityOptions, 'signal'>): Promise<void> {
  const nowMs = clock.nowMs();
  await authority.tidy();
  if (rotationDue(await authority.trusted(), nowMs)) {
    const { signsFromMs } = await authority.rotate();
    log.info({ signsFrom: new Date(signsFromMs).toISOString() }, 'authority.root-announced');
  }
  await store.forgetExpired(nowMs - REMEMBERED_MS);
}
