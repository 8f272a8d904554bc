import { backoffMs } from '../../base/backoff.ts';
import { hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { listAll } from '../client/list.ts';
import { isOutage, type NuwaRpc, pause } from '../client/rpc.ts';
import type { SessionKeeper } from '../client/session-keeper.ts';
import type { Sessions } from '../client/sessions.ts';
import type { Watches } from '../client/watches.ts';
import { CompactedError, NuwaError, type NuwaEvent, type NuwaNode } from '../contract.ts';
import type { RequestId } from '../core/tree/command.ts';

/** What recipes are made of. */
export interface RecipeContext {
  readonly rpc: NuwaRpc;
  readonly sessions: Sessions;
  readonly watches: Watches;
  readonly log: Logger;
}

/** The session that owns what recipes hold: the client's first one, whose end its callers hear of. */
export function ownSession(context: RecipeContext): SessionKeeper {
  return context.sessions.main;
}

/** Under the own session, sent until it is answered: nothing of ours is left standing without our knowing. Errors: NoSession. */
export function writeOwn<T>(context: RecipeContext, call: (id: RequestId) => Promise<T>): Promise<T> {
  return ownSession(context).writeThrough(call);
}

/** The node is not there afterwards, whoever took it away. */
export async function removeOwn(context: RecipeContext, path: string): Promise<void> {
  await writeOwn(context, (id) => context.rpc.delete({ ...id, path })).catch(ignore('NoNode', 'NoSession'));
}

/** Where a recipe's nodes stand: it comes when it is first needed and goes some time after the last of them. */
export async function makePlace(context: RecipeContext, path: string): Promise<void> {
  const make = (id: RequestId) => context.rpc.create({ ...id, path, value: new Uint8Array(), container: true, parents: true });
  await writeOwn(context, make).catch(ignore('NodeExists'));
}

/**
 * All children, none when the directory is not there, however long a server takes to be found. A large directory comes in pages: a child that
 * went meanwhile may be among them, and its deletion comes after `revision`; one that came meanwhile has a `createRevision` above it.
 */
export async function childrenOf(
  context: RecipeContext,
  path: string,
  until: AbortSignal,
): Promise<{ children: NuwaNode[]; revision: number }> {
  for (let tries = 1; ; tries++) {
    until.throwIfAborted();
    try {
      return await listAll(context.rpc, path, until);
    } catch (error) {
      if (hasCode(error, 'NoNode')) return { children: [], revision: Number(error.details.revision) };
      if (!isOutage(error) && !until.aborted) throw error;
    }
    await pause(backoffMs(tries, systemRandom, { maxMs: 1_000 }), until);
  }
}

/** Waits for the next deletion of the node after this revision. Rejects with the reason of `until`. */
export async function untilDeleted(context: RecipeContext, path: string, afterRevision: number, until: AbortSignal): Promise<void> {
  // Where changes were missed: it is gone, or another of the same name came after it.
  await untilEvent(context, path, 'deleted', afterRevision, until, (nodes) =>
    nodes.every(({ createRevision }) => createRevision > afterRevision),
  );
}

/** Waits until the node is made after this revision, also if it is gone again by now, or may have been: the caller looks. */
export async function untilCreated(context: RecipeContext, path: string, afterRevision: number, until: AbortSignal): Promise<void> {
  await untilEvent(context, path, 'created', afterRevision, until, () => true);
}

async function untilEvent(
  context: RecipeContext,
  path: string,
  wanted: NuwaEvent['kind'],
  afterRevision: number,
  until: AbortSignal,
  happened: (nodes: readonly NuwaNode[]) => boolean,
): Promise<void> {
  for (let place = afterRevision; ; ) {
    try {
      for await (const { kind } of context.watches.watch(path, { afterRevision: place, signal: until })) if (kind === wanted) return;
      until.throwIfAborted();
      throw new NuwaError('NoSession', 'the client was closed');
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
      if (happened(error.snapshot.nodes)) return;
      place = error.snapshot.revision;
    }
  }
}

/**
 * Gives `work` a signal that aborts with the session's end or the caller's own signal. What listens to long-lived signals must let go of them,
 * or each lock would leave something behind.
 */
export async function withinSession<T>(
  context: RecipeContext,
  signal: AbortSignal | undefined,
  work: (until: AbortSignal) => Promise<T>,
): Promise<T> {
  const until = new AbortController();
  const sources = [ownSession(context).ended, ...(signal ? [signal] : [])];
  const stops = sources.map((source) => {
    const abort = (): void => until.abort(source.reason);
    source.addEventListener('abort', abort);
    if (source.aborted) abort();
    return () => source.removeEventListener('abort', abort);
  });
  try {
    until.signal.throwIfAborted();
    return await work(until.signal);
  } finally {
    for (const stop of stops) stop();
  }
}

/** As `promise`, or the signal's reason if that comes first; what the promise comes to then is for `late`. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal, late: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let given = false;
    const give = (how: () => void): void => {
      signal.removeEventListener('abort', abort);
      given = true;
      how();
    };
    const abort = (): void => give(() => reject(signal.reason));
    signal.addEventListener('abort', abort);
    promise.then(
      (value) => (given ? late(value) : give(() => resolve(value))),
      (error) => given || give(() => reject(error)),
    );
    if (signal.aborted) abort();
  });
}

export function ignore(...codes: string[]): (error: unknown) => undefined {
  return (error) => {
    if (!hasCode(error, ...codes)) throw error;
    return undefined;
  };
}
