import type { Clock } from '../../base/clock.ts';
import { systemClock } from '../../base/clock.ts';
import { hasCode, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Followed, NuwaClient } from '../../nuwa/contract.ts';
import { REVOCATION_FRESH_MS, REVOCATIONS_PATH } from '../contract.ts';
import { freshUntilMs, hasEnded, parseRevocation, type Revocation, type Revocations } from '../core/revocation.ts';
import type { RevocationView } from './view.ts';

/**
 * Keeps the revocations that stand in Nuwa at hand, and knows how old its picture is.
 *
 * Changes come by themselves, and mostly nothing changes: silence may mean that there is no news, or that news does not get through. So every few seconds one small
 * question is asked that only the group can answer (a linearizable read): at which revision the directory was touched last. Whoever revokes touches it after its entry
 * (revoke.ts). Once all is here up to that revision, the picture was whole when the question was asked.
 */
export interface FollowerOptions {
  nuwa: Pick<NuwaClient, 'follow' | 'get'>;
  log: Logger;
  signal: AbortSignal;
  clock?: Clock;
}

/** Three questions in the time that a picture counts: two may be lost. */
const ASK_MS = REVOCATION_FRESH_MS / 3;
const ASK_AGAIN_MS = 1_000;

export interface RevocationFollower extends RevocationView {
  /** Resolves when the picture is fresh for the first time. Rejects with the signal's reason, or when revocations may not be read here. */
  readonly fresh: Promise<void>;
  /** Resolves when the following has ended. */
  readonly ended: Promise<void>;
}

export function followRevocations({ nuwa, log, signal, clock = systemClock }: FollowerOptions): RevocationFollower {
  const picture = new Picture(clock);
  let refuse: (why: unknown) => void = () => {};
  const follow = async (): Promise<void> => {
    for await (const news of nuwa.follow(REVOCATIONS_PATH, { signal })) picture.take(news);
  };
  const ask = async (): Promise<void> => {
    while (!signal.aborted) {
      const askedAtMs = clock.monotonicMs();
      let waitMs = ASK_MS;
      try {
        picture.confirm(await touchedAt(nuwa), askedAtMs);
      } catch (error) {
        waitMs = ASK_AGAIN_MS;
        if (!signal.aborted)
          log.warn({ problem: messageOf(error), freshForMs: picture.freshUntilMs - askedAtMs }, 'zhongkui.revocations.unconfirmed');
      }
      picture.forgetEnded();
      await clock.sleep(waitMs, signal, { ref: false }).catch(() => {});
    }
  };
  const following = follow().catch((error: unknown) => {
    // The picture grows old from here on, and then nobody is let in: that is what it is for.
    if (!signal.aborted) log.error({ problem: messageOf(error) }, 'zhongkui.revocations.ended');
    refuse(error);
  });
  const fresh = new Promise<void>((resolve, reject) => {
    picture.onFresh = resolve;
    refuse = reject;
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  fresh.catch(() => {});
  return {
    get version() {
      return picture.version;
    },
    get revocations() {
      return picture.revocations;
    },
    get freshUntilMs() {
      return picture.freshUntilMs;
    },
    fresh,
    ended: Promise.all([following, ask()]).then(() => {}),
  };
}

/** The revision of the last revocation; 0 where there never was one. */
async function touchedAt(nuwa: Pick<NuwaClient, 'get'>): Promise<number> {
  try {
    return (await nuwa.get(REVOCATIONS_PATH)).modifyRevision;
  } catch (error) {
    if (hasCode(error, 'NoNode')) return 0;
    throw error;
  }
}

class Picture implements RevocationView {
  version = 1;
  freshUntilMs = Number.NEGATIVE_INFINITY;
  onFresh: () => void = () => {};
  readonly #clock: Clock;
  readonly #entries = new Map<string, Revocation>();
  /** Of the last change that is in the picture; -1: there is no picture yet. */
  #revision = -1;
  /** A question whose answer is ahead of the picture. */
  #waiting: { revision: number; askedAtMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get revocations(): Revocations {
    return this.#entries;
  }

  take(news: Followed): void {
    if (news.kind === 'snapshot') {
      this.#entries.clear();
      for (const { path, value } of news.nodes) this.#put(path, value);
      this.#advance(news.revision);
    } else {
      const { kind, path, value, revision } = news.event;
      if (kind === 'deleted') this.#entries.delete(nameOf(path));
      else this.#put(path, value ?? new Uint8Array());
      this.#advance(revision);
    }
    this.version++;
  }

  confirm(revision: number, askedAtMs: number): void {
    if (this.#revision >= revision) this.#confirmed(askedAtMs);
    else if (!this.#waiting) this.#waiting = { revision, askedAtMs };
  }

  /** Nuwa does it too, later: its entries have a TTL. */
  forgetEnded(): void {
    const nowMs = this.#clock.nowMs();
    for (const [name, revocation] of this.#entries) if (hasEnded(revocation, nowMs)) this.#entries.delete(name);
  }

  #put(path: string, value: Uint8Array): void {
    if (path !== REVOCATIONS_PATH) this.#entries.set(nameOf(path), parseRevocation(textOf(value)));
  }

  #advance(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    if (!this.#waiting || this.#waiting.revision > this.#revision) return;
    const { askedAtMs } = this.#waiting;
    this.#waiting = undefined;
    this.#confirmed(askedAtMs);
  }

  #confirmed(askedAtMs: number): void {
    this.freshUntilMs = Math.max(this.freshUntilMs, freshUntilMs(askedAtMs));
    this.onFresh();
  }
}

const nameOf = (path: string): string => path.slice(REVOCATIONS_PATH.length + 1);
const textOf = (value: Uint8Array): string => Buffer.from(value).toString('utf8');
