import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import type { LogPlaced } from '../../log-contract.ts';
import type { MasterContext } from '../context.ts';
import { endLogChunk } from '../log-places.ts';
import { placeOf } from './open-log.ts';

/** All writers of a chunk that ended come at once; one of them ends it, the others look again. */
const PAUSE_MS = 20;
const LOOKS_MAX = 400;
/** From here on whoever claimed it is taken for dead. */
const TAKE_OVER_AT_LOOK = 300;

interface Request {
  file: string;
  chunk: string;
  writer: string;
  exclude: string[];
}

export async function continueLog(context: MasterContext, { file, chunk, writer, exclude }: Request): Promise<LogPlaced> {
  for (let look = 1; ; look++) {
    const outcome = await endLogChunk(context, { file, chunk, exclude, next: true, force: look >= TAKE_OVER_AT_LOOK });
    if (outcome === 'missing')
      throw new PanguError('EIO', `no server of chunk ${chunk} answers, and what was acknowledged is there`, { details: { chunk, file } });
    // Also when it moved: its place may be another's doing, or a later epoch's.
    const place = await placeOf(context, file, exclude);
    if (place.chunk !== chunk) return { ...place, ...(await markOf(context, file, writer)) };
    if (look === LOOKS_MAX) throw new PanguError('EIO', `chunk ${chunk} of the log does not end`, { details: { chunk, file } });
    await delay(PAUSE_MS);
  }
}

async function markOf({ db }: MasterContext, file: string, writer: string): Promise<{ mark?: { sequence: number; offset: number } }> {
  const [mark] = await rows<{ sequence: number; offset: number }>(
    db,
    sql`select sequence, "offset" from pangu.log_marks where file = ${file} and writer = ${writer}`,
  );
  return mark ? { mark } : {};
}
