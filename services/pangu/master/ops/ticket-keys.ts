import { systemClock } from '../../../base/clock.ts';
import type { MasterContext } from '../context.ts';
import { loadTicketKeys } from '../ticket-keys.ts';

export async function tellTicketKeys({ db }: MasterContext) {
  const { keys } = await loadTicketKeys(db, systemClock.nowMs());
  return { keys: keys.map(({ id, secret }) => ({ id, secret: new Uint8Array(secret) })) };
}
