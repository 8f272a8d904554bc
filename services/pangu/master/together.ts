import { sql } from 'drizzle-orm';
import { type Database, isDatabaseAway, openDatabase } from '../../base/database.ts';
import { Gather } from '../../base/gather.ts';
import { type CommitAsked, closeTogether } from './close-together.ts';
import type { MasterContext } from './context.ts';
import { type CreateAsked, createTogether } from './create-together.ts';
import { type Found, type Inode, walkToEnds } from './inodes.ts';
import type { Created } from './new-file.ts';
import { CHUNKS, type WithChunks } from './ops/open.ts';

/**
 * What small files cost a master is mostly the statement: its way to Postgres and back, its plan, its commit. So what is asked at the same time is asked in one statement, and
 * committed with one sync. Each is decided for itself, as if it were alone, at one moment of the database that lies between its call and its reply; and what is out of the
 * ordinary in any way (somebody was quicker, a quota is full, a lock is held) is left to the operation's own way, which knows all cases and says what is wrong.
 */
export interface Together {
  readonly stat: Gather<Names, Found<Inode>>;
  readonly open: Gather<Names, Found<Inode & WithChunks>>;
  /** Undefined: not done; to be done alone. */
  readonly create: Gather<CreateAsked, Created | undefined>;
  readonly close: Gather<CommitAsked, Inode | undefined>;
}

type Names = readonly string[];

/** While one is at Postgres the next is gathered; a second one keeps both processors of a small machine busy. */
const AT_ONCE = 2;
/** More save nothing, and delay the first of them. */
const MOST = 64;
const NOTHING = sql``;

export function gatherOperations(context: MasterContext, db: Database): Together {
  const gather = <Item, Result>(
    work: (items: Item[]) => Promise<Result[]>,
    alone: (item: Item) => Promise<Result>,
  ): Gather<Item, Result> => {
    const unlessAway = (item: Item, error: unknown): Promise<Result> => (isDatabaseAway(error) ? Promise.reject(error) : alone(item));
    return new Gather({ work, alone: unlessAway, atOnce: AT_ONCE, most: MOST });
  };
  const stat = (paths: Names[]) => walkToEnds<object>(db, paths, NOTHING);
  const open = (paths: Names[]) => walkToEnds<WithChunks>(db, paths, CHUNKS);
  const notDone = async () => undefined;
  return {
    stat: gather(stat, async (names) => (await stat([names]))[0]!),
    open: gather(open, async (names) => (await open([names]))[0]!),
    create: gather((asked) => createTogether(context, db, asked), notDone),
    close: gather((asked) => closeTogether(db, asked), notDone),
  };
}

/**
 * Connections for statements that look up rows by key and nothing else: planned once a connection, whatever the tables' sizes were then. Nobody waits
 * for the locks of another's file for longer than a moment.
 */
export function openQuickDatabase(url: string) {
  return openDatabase(url, {
    connectionsMax: 4 * AT_ONCE,
    settings: {
      plan_cache_mode: 'force_generic_plan',
      enable_seqscan: 'off',
      enable_hashjoin: 'off',
      enable_mergejoin: 'off',
      jit: 'off',
      lock_timeout: '100ms',
    },
  });
}
