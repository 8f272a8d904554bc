import type { Container } from '../contract.ts';

/**
 * When to speak with FuxiMaster. Each exchange is an activity, so a TaskMaster speaks when it wants more, when what it holds
 * is of no use to it, or when it has waited so long that its words may have been lost; and gives back in one go what it can.
 */

/** More containers than this for one TaskMaster would make its history grow faster than its work. */
const CONTAINERS_MAX = 200;
/** Containers that become idle within this time go back together. */
const RELEASE_INTERVAL_MS = 1_000;
/** First wait before unanswered wants are told again; doubles up to a minute. */
const TELL_AGAIN_MS = 10_000;
const TELL_AGAIN_MS_MAX = 60_000;

export interface WantsView {
  nowMs: number;
  busy: number;
  idle: Container[];
  /** Attempts that could start now if there were containers for them. */
  startable: number;
  /** Nodes that nothing of ours may run on now. */
  avoid: string[];
}

export interface Wants {
  tell?: { want: number; release: Container[] };
  wakeAtMs?: number;
}

export class ContainerWants {
  #told: { want: number; avoid: string; atMs: number; repeated: number } | undefined;

  /** FuxiMaster may know nothing of us any more. */
  forget(): void {
    this.#told = undefined;
  }

  decide({ nowMs, busy, idle, startable, avoid }: WantsView): Wants {
    const held = busy + idle.length;
    const useless = idle.filter((container) => avoid.includes(container.node));
    const want = Math.min(CONTAINERS_MAX, busy + startable);
    const excess = Math.max(0, held - useless.length - want);
    const release = [...useless, ...idle.filter((container) => !useless.includes(container)).slice(0, excess)];
    const starving = want > held - release.length;

    const told = this.#told;
    const key = avoid.join();
    if (!told) return this.#tell({ want, avoid: key, atMs: nowMs, repeated: 0 }, release, starving);
    if (want > told.want || (starving && key !== told.avoid))
      return this.#tell({ want, avoid: key, atMs: nowMs, repeated: 0 }, release, starving);

    const releaseAtMs = told.atMs + RELEASE_INTERVAL_MS;
    if (release.length > 0 && nowMs >= releaseAtMs) return this.#tell({ want, avoid: key, atMs: nowMs, repeated: 0 }, release, starving);
    const againAtMs = told.atMs + Math.min(TELL_AGAIN_MS_MAX, TELL_AGAIN_MS * 2 ** told.repeated);
    if (starving && nowMs >= againAtMs)
      return this.#tell({ want, avoid: key, atMs: nowMs, repeated: told.repeated + 1 }, release, starving);
    if (release.length > 0) return { wakeAtMs: releaseAtMs };
    return starving ? { wakeAtMs: againAtMs } : {};
  }

  #tell(told: { want: number; avoid: string; atMs: number; repeated: number }, release: Container[], starving: boolean): Wants {
    this.#told = told;
    const wakeAtMs = told.atMs + Math.min(TELL_AGAIN_MS_MAX, TELL_AGAIN_MS * 2 ** told.repeated);
    return { tell: { want: told.want, release }, ...(starving ? { wakeAtMs } : {}) };
  }
}
