import { hasCode } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { assertOptions, WAIT } from '../client/arguments.ts';
import { type Barrier, NuwaError, type NuwaNode } from '../contract.ts';
import { childPath } from '../core/tree/path.ts';
import {
  childrenOf,
  ignore,
  makePlace,
  orAbort,
  type RecipeContext,
  removeOwn,
  untilCreated,
  untilDeleted,
  withinSession,
  writeOwn,
} from './context.ts';

/**
 * A double barrier, as in ZooKeeper's recipes (Hunt et al. 2010, section 2.4, "Double Barrier"): nobody goes on before all are there, and nobody
 * leaves before all are done. It can be used again and again; each time is a *round*.
 *
 *   <path>/party-<random>   ephemeral, one per party, from its entering to its leaving
 *   <path>/ready            made by whoever finds all parties there; the round goes from then until all have left
 *
 * Entering is one step with "no round is under way", so a party that is early for the next round waits until the last one is over. Whoever is
 * in and counts enough parties makes `ready`, which is one event for each who waits. Leaving has no herd either: all wait for the party that
 * came first, that one waits for the others, the latest first, and takes `ready` away in one step with its own node.
 *
 * What goes wrong:
 *   a party dies while others gather    its node goes with its session; the others wait for another in its place
 *   a party dies during the round       it counts as left
 *   the party that came first dies      the others see its node go, find nobody left, and one of them takes `ready` away
 *   all die                             `ready` stands alone: who enters next finds a round without parties, and takes it away
 *   the session expires                 `enter` and `leave` fail with NoSession
 * One party more than were asked for, if it comes before `ready` is made, goes through with them.
 */
export class DoubleBarrier implements Barrier {
  readonly #context: RecipeContext;
  readonly #path: string;
  readonly #parties: number;
  /** Our node, and the revision that began the round, while we are in. */
  #inside: { path: string; round: number } | undefined;

  constructor(context: RecipeContext, path: string, parties: number) {
    if (!Number.isInteger(parties) || parties < 1) throw new NuwaError('BadArguments', `a barrier of ${String(parties)} parties`);
    this.#context = context;
    this.#path = path;
    this.#parties = parties;
  }

  async enter(options: { signal?: AbortSignal } = {}): Promise<void> {
    assertOptions(options, WAIT);
    const { signal } = options;
    if (this.#inside) throw new NuwaError('BadArguments', `${this.#path} was entered already`);
    this.#inside = await withinSession(this.#context, signal, async (until) => {
      for (;;) {
        const mine = await orAbort(this.#join(until), until, ({ path }) => this.#remove(path));
        try {
          const round = await this.#untilReady(mine, until);
          if (round !== undefined) return { path: mine.path, round };
        } catch (error) {
          this.#remove(mine.path);
          throw error;
        }
      }
    });
  }

  async leave(options: { signal?: AbortSignal } = {}): Promise<void> {
    assertOptions(options, WAIT);
    const { signal } = options;
    const inside = this.#inside;
    if (!inside) throw new NuwaError('NotHeld', `${this.#path} was not entered`);
    await withinSession(this.#context, signal, (until) => this.#untilAllLeft(inside, until)).finally(() => {
      this.#inside = undefined;
      this.#remove(inside.path);
    });
  }

  /** Puts our node there, once no round is under way. */
  async #join(until: AbortSignal): Promise<{ path: string; revision: number }> {
    const { rpc } = this.#context;
    const path = childPath(this.#path, `party-${newId()}`);
    for (;;) {
      until.throwIfAborted();
      try {
        const operations = [
          { kind: 'check' as const, path: this.#ready, absent: true },
          { kind: 'create' as const, path, value: new Uint8Array(), ephemeral: true },
        ];
        const { revision } = await writeOwn(this.#context, (id) => rpc.transact({ ...id, operations }));
        return { path, revision };
      } catch (error) {
        if (hasCode(error, 'NoNode')) await makePlace(this.#context, this.#path);
        else if (hasCode(error, 'Conflict')) await this.#untilRoundOver(until);
        else throw error;
      }
    }
  }

  async #untilRoundOver(until: AbortSignal): Promise<void> {
    const { ready, parties, revision } = await this.#look(until);
    if (!ready) return;
    if (parties.length === 0) await this.#endRound(ready.createRevision);
    else await untilDeleted(this.#context, ready.path, revision, until);
  }

  /** @returns the revision of `ready`, or undefined when our node was removed though our session lives. */
  async #untilReady(mine: { path: string; revision: number }, until: AbortSignal): Promise<number | undefined> {
    for (;;) {
      const { ready, parties, revision } = await this.#look(until);
      if (!parties.some(({ path }) => path === mine.path)) return undefined;
      if (ready) return ready.createRevision;
      if (parties.length < this.#parties) await untilCreated(this.#context, this.#ready, revision, until);
      else await this.#makeReady();
    }
  }

  async #makeReady(): Promise<void> {
    const { rpc } = this.#context;
    const make = writeOwn(this.#context, (id) => rpc.create({ ...id, path: this.#ready, value: new Uint8Array() }));
    await make.catch(ignore('NodeExists'));
  }

  async #untilAllLeft({ path, round }: { path: string; round: number }, until: AbortSignal): Promise<void> {
    for (;;) {
      const { ready, parties, revision } = await this.#look(until);
      if (ready?.createRevision !== round) return; // who came first has seen all go
      const others = parties.filter((party) => party.path !== path);
      if (others.length === 0) return this.#endRound(round, parties[0]?.path);
      const inOrder = parties.toSorted((a, b) => a.createRevision - b.createRevision);
      const weAreFirst = inOrder[0]!.path === path;
      if (!weAreFirst) await removeOwn(this.#context, path);
      await untilDeleted(this.#context, inOrder.at(weAreFirst ? -1 : 0)!.path, revision, until);
    }
  }

  /** Takes `ready` away, if it is still this round's, and our own node with it. */
  async #endRound(round: number, mine?: string): Promise<void> {
    const operations = [
      { kind: 'check' as const, path: this.#ready, createRevision: round },
      { kind: 'delete' as const, path: this.#ready },
      ...(mine === undefined ? [] : [{ kind: 'delete' as const, path: mine }]),
    ];
    const { rpc } = this.#context;
    // Somebody else did it, or took our node: the first is as good, and the second leaves `ready` for the next to enter.
    await writeOwn(this.#context, (id) => rpc.transact({ ...id, operations })).catch(ignore('Conflict', 'NoNode'));
  }

  async #look(until: AbortSignal): Promise<{ ready: NuwaNode | undefined; parties: NuwaNode[]; revision: number }> {
    const { children, revision } = await childrenOf(this.#context, this.#path, until);
    const parties = children.filter(({ path }) => path.startsWith(childPath(this.#path, 'party-')));
    return { ready: children.find(({ path }) => path === this.#ready), parties, revision };
  }

  get #ready(): string {
    return childPath(this.#path, 'ready');
  }

  #remove(path: string): void {
    removeOwn(this.#context, path).catch((error: unknown) => this.#context.log.warn({ err: error, path }, 'nuwa.barrier.leave-failed'));
  }
}
