import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createKuafuClient } from '../../kuafu/client.ts';
import type { KuafuClient } from '../../kuafu/contract.ts';
import type { Identity } from '../../kuafu/guard-contract.ts';
import { answerClaim, type Claim, type ClaimAnswer, Founding, type Standing } from '../core/founding.ts';
import type { GroupConfig, ServerId } from '../core/raft/types.ts';
import type { Birth } from '../log/birth.ts';
import { nuwaPeerService } from '../peer-contract.ts';
import { FilesLost } from './files-lost.ts';

export interface FounderOptions {
  cluster: string;
  id: ServerId;
  /** What this server was told its group begins with; nobody, where it does not begin one. */
  begins: GroupConfig;
  birth: Birth;
  clock: Clock;
  identity?: Identity;
  log: Logger;
}

const CLAIM_TIMEOUT_MS = 2_000;
/** Between claims at one that does not answer. One that begins too claims here, and is then asked at once. */
const AGAIN_MS = 250;
/** Who waits says so, at first after this and then as often. */
const TELL_MS = 10_000;

/** This server's part in the beginning of its group: answers the claims of others, and makes its own. What may be answered and when is decided in core/founding.ts. */
export class Founder {
  readonly #options: FounderOptions;
  readonly #founding: Founding;
  /** Wakes whoever waits to claim at that server again. */
  readonly #wake = new Map<ServerId, () => void>();
  /** Why each that has not answered has not. */
  readonly #problems = new Map<ServerId, string>();

  constructor(options: FounderOptions) {
    this.#options = options;
    this.#founding = new Founding({ id: options.id, members: this.#members });
  }

  /** What it waits for, for people. */
  get waitsFor(): string | undefined {
    const { waitsFor } = this.#founding;
    if (waitsFor.length === 0 || this.#options.birth.mayVote) return undefined;
    const each = waitsFor.map((id) => `${id} (${this.#problems.get(id) ?? 'is being asked'})`);
    return `it is new, and takes part when all that the group begins with have answered it once; not yet: ${each.join(', ')}`;
  }

  /** Nobody need be waited for any more. */
  get decided(): boolean {
    return this.#founding.done || this.#founding.refusal !== undefined;
  }

  answer(claim: Claim): ClaimAnswer {
    this.#wake.get(claim.from)?.();
    return answerClaim(this.#standing, claim);
  }

  /**
   * Resolves when this server may vote. Rejects with FilesLost when it never will. `firstAsked` is called when each of the others has answered, or failed to, once.
   */
  async found(signal: AbortSignal, firstAsked: () => void): Promise<void> {
    const { clock, identity, log, birth } = this.#options;
    const founding = this.#founding;
    const kuafu = createKuafuClient({ identity, log });
    const over = new AbortController();
    const startMs = clock.monotonicMs();
    const until = AbortSignal.any([signal, over.signal]);
    let asked = 0;
    const onAsked = (): void => {
      if (++asked === founding.others.length) firstAsked();
    };
    try {
      void this.#tellWaiting(until);
      await Promise.all(founding.others.map((id) => this.#claimAt(kuafu, id, until, onAsked)));
      signal.throwIfAborted();
      await birth.becomeVoter(founding.births);
      log.info({ birth: birth.id, tookMs: Math.round(clock.monotonicMs() - startMs) }, 'nuwa.founded');
    } finally {
      over.abort();
      firstAsked();
      await kuafu.close();
    }
  }

  async #claimAt(kuafu: KuafuClient, to: ServerId, signal: AbortSignal, onAsked: () => void): Promise<void> {
    const { cluster, id, begins, birth, clock } = this.#options;
    const { address } = begins.members.find((member) => member.id === to)!;
    const peer = kuafu.service(nuwaPeerService, address);
    const claim = { cluster, from: id, to, birth: birth.id, members: [...this.#members] };
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      const sleeping = new AbortController();
      this.#wake.set(to, () => sleeping.abort());
      try {
        const answer = await peer.claim(claim, { timeoutMs: CLAIM_TIMEOUT_MS, signal });
        this.#founding.hear(to, answer);
        if (tries === 1) onAsked();
        if (answer.kind === 'known') return;
      } catch (error) {
        this.#problems.set(to, messageOf(error));
        if (tries === 1) onAsked();
      }
      const { refusal } = this.#founding;
      if (refusal) throw new FilesLost(id, refusal.by, refusal.answer);
      await clock.sleep(AGAIN_MS, AbortSignal.any([signal, sleeping.signal])).catch(() => {}); // the loop sees which it was
    }
  }

  async #tellWaiting(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (;;) {
      await clock.sleep(TELL_MS, signal, { ref: false }).catch(() => {});
      if (signal.aborted) return;
      log.warn({ for: this.#founding.waitsFor, problems: Object.fromEntries(this.#problems) }, 'nuwa.founding.waits');
    }
  }

  get #members(): ServerId[] {
    return this.#options.begins.members.map(({ id }) => id);
  }

  get #standing(): Standing {
    const { id, birth } = this.#options;
    return { id, birth: birth.id, mayVote: birth.mayVote, members: this.#members, births: birth.births };
  }
}
