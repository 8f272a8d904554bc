import { newId } from '../../base/ids.ts';
import { type HeldLock, type LockOptions, NuwaError, type NuwaNode, type NuwaSession } from '../contract.ts';
import { childPath } from '../core/tree/path.ts';
import {
  childrenOf,
  makePlace,
  orAbort,
  ownSession,
  type RecipeContext,
  removeOwn,
  untilDeleted,
  withinSession,
  writeOwn,
} from './context.ts';

/**
 * A lock is a queue of nodes below its path, as in ZooKeeper's recipes (Hunt et al., "ZooKeeper: wait-free coordination for internet-scale
 * systems", 2010, section 2.4, "Simple Locks without Herd Effect" and "Read/Write Locks"):
 *
 *   <path>/exclusive-<random>-<counter>    ephemeral, sequential; its value says who it is, for people
 *   <path>/shared-<random>-<counter>
 *
 * Who has no one before it that excludes it holds the lock. Everybody else waits for one node only: the nearest before its own that excludes
 * it. So a release wakes one waiter (or the shared ones behind it), not all, and the lock is given in the order of asking. A woken waiter
 * looks again, since the one before it may have given up rather than had its turn. `createRevision` is the order: it is the tree's own, the
 * same for all, and never given twice.
 *
 * Fencing. A session only says that a holder was alive a moment ago: a process that stands still (a long collection of garbage, a suspended
 * machine) goes on afterwards as if no time had passed, while another holds the lock. No lock service can help that from its own side (Kleppmann,
 * "How to do distributed locking", 2016); what the lock protects must. So each holder has a token, the `createRevision` of its node, which
 * grows with each exclusive grant, and what is protected refuses tokens below the highest it saw. That is Chubby's sequencer (Burrows, "The
 * Chubby lock service for loosely-coupled distributed systems", 2006, section 2.4). Shared holders exclude no one of their own kind, so their
 * tokens are compared with the highest exclusive one.
 *
 * What goes wrong:
 *   the reply to the create is lost    it is sent again under its request's number until it is answered: there is one node, and it is known
 *   the caller gives up waiting        its node goes; if it was not known to be there yet, as soon as it is
 *   the session is in jeopardy         `lost` aborts: a third of the TTL is left before the lock may be another's. It does not come back,
 *                                      also when the session does: release, and lock again
 *   the session expired                `lost`, and the node is gone with it; waiters fail with NoSession
 *   somebody removed a holder's node   `lost` (NotHeld); a waiter whose node was removed queues again, at the end
 */
export async function lock(context: RecipeContext, path: string, options: LockOptions = {}): Promise<HeldLock> {
  const { mode = 'exclusive', holder = '', signal } = options;
  return new Held(context, await acquire(context, path, mode, new TextEncoder().encode(holder), signal));
}

export type Mode = 'exclusive' | 'shared';

/** A node of ours in the queue. */
export interface QueueNode {
  path: string;
  token: number;
}

/** Queues and waits. However it ends without the lock, no node of ours stays. */
export function acquire(
  context: RecipeContext,
  path: string,
  mode: Mode,
  value: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<QueueNode> {
  return withinSession(context, signal, async (until) => {
    for (;;) {
      const mine = await orAbort(enterQueue(context, path, mode, value), until, (late) => leaveQueue(context, late));
      try {
        if (await untilFirst(context, path, mode, mine, until)) return mine;
      } catch (error) {
        leaveQueue(context, mine);
        throw error;
      }
    }
  });
}

async function enterQueue(context: RecipeContext, path: string, mode: Mode, value: Uint8Array): Promise<QueueNode> {
  const name = childPath(path, `${mode}-${newId()}-`);
  for (;;) {
    const made = await writeOwn(context, (id) => context.rpc.create({ ...id, path: name, value, ephemeral: true, sequential: true })).catch(
      (error) => noPlace(error),
    );
    if (made) return { path: made.path, token: made.revision };
    await makePlace(context, path);
  }
}

function noPlace(error: unknown): undefined {
  if (!(error instanceof NuwaError) || error.code !== 'NoNode') throw error;
}

/** In the background: whoever gave up does not wait for a server. */
function leaveQueue(context: RecipeContext, { path }: QueueNode): void {
  removeOwn(context, path).catch((error: unknown) => context.log.warn({ err: error, path }, 'nuwa.lock.leave-failed'));
}

/** @returns false when our node is gone though our session is not: somebody removed it. */
async function untilFirst(context: RecipeContext, path: string, mode: Mode, mine: QueueNode, until: AbortSignal): Promise<boolean> {
  for (;;) {
    const { children, revision } = await childrenOf(context, path, until);
    if (!children.some((child) => child.path === mine.path)) return false;
    const before = children.filter((child) => child.createRevision < mine.token && excludes(modeOf(child), mode));
    if (before.length === 0) return true;
    const nearest = before.reduce((a, b) => (a.createRevision > b.createRevision ? a : b));
    await untilDeleted(context, nearest.path, revision, until);
  }
}

/** Undefined for a node that is none of a queue: it stands there by somebody's hand, and holds up nobody. */
export function modeOf({ path }: Pick<NuwaNode, 'path'>): Mode | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name.startsWith('exclusive-')) return 'exclusive';
  return name.startsWith('shared-') ? 'shared' : undefined;
}

function excludes(earlier: Mode | undefined, mode: Mode): boolean {
  return earlier === 'exclusive' || (earlier === 'shared' && mode === 'exclusive');
}

/**
 *   held --jeopardy, expiry, its node removed--> lost --release--> released
 *   held --release--> released
 */
export class Held implements HeldLock {
  readonly token: number;
  protected readonly context: RecipeContext;
  protected readonly path: string;
  readonly #lost = new AbortController();
  readonly #watching = new AbortController();
  #released: Promise<void> | undefined;

  constructor(context: RecipeContext, { path, token }: QueueNode) {
    this.context = context;
    this.path = path;
    this.token = token;
    const session = ownSession(context);
    const look = (state: NuwaSession['state']): void => {
      if (state !== 'live') this.#lose(`session ${session.id} is ${state === 'jeopardy' ? 'in jeopardy' : state}`);
    };
    const onEnd = (): void => this.#lose(`session ${session.id} has ended`);
    const stopListening = session.onState(look);
    session.ended.addEventListener('abort', onEnd);
    this.#watching.signal.addEventListener('abort', () => {
      stopListening();
      session.ended.removeEventListener('abort', onEnd);
    });
    look(session.state);
    if (session.ended.aborted) onEnd();
    void this.#watchNode();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get held(): boolean {
    return !this.#lost.signal.aborted && !this.#released;
  }

  release(): Promise<void> {
    return (this.#released ??= this.#release());
  }

  /** Resolves when others can have it. When no server answers, at the latest after the session's TTL; it goes on being tried then. */
  async #release(): Promise<void> {
    this.#watching.abort();
    const removed = removeOwn(this.context, this.path).catch((error: unknown) =>
      this.context.log.warn({ err: error, path: this.path }, 'nuwa.lock.release-failed'),
    );
    let timer: NodeJS.Timeout | undefined;
    const inTime = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ownSession(this.context).ttlMs);
    });
    await Promise.race([removed, inTime]);
    clearTimeout(timer);
  }

  async #watchNode(): Promise<void> {
    try {
      await untilDeleted(this.context, this.path, this.token, this.#watching.signal);
      this.#lose(`${this.path} was removed`);
    } catch (error) {
      if (!this.#watching.signal.aborted) this.#lose(`${this.path} cannot be watched: ${error}`);
    }
  }

  #lose(why: string): void {
    if (!this.held) return;
    this.#watching.abort();
    this.context.log.warn({ path: this.path, token: this.token, why }, 'nuwa.lock.lost');
    this.#lost.abort(new NuwaError('NotHeld', `the lock is lost: ${why}`));
  }
}
