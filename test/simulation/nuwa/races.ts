import type { Random } from '../../../services/base/random.ts';
import type { ServerId } from '../../../services/nuwa/core/raft/types.ts';
import type { Network } from './network.ts';
import type { SimServer } from './server.ts';
import type { Timeline } from './timeline.ts';

export interface RacesOptions {
  timeline: Timeline;
  network: Network;
  random: Random;
  servers: () => readonly SimServer[];
  /** The time of faults is over. */
  over: () => boolean;
  trace?: ((line: string) => void) | undefined;
}

/** How often it is looked whether somebody else leads by now. */
const LOOK_MS = 5;
const LOOKS_MAX = 200;

/**
 * Changes of the group at the worst of moments. By chance they hardly come so: what they need is a change that is in the log of one side of a cut
 * alone, and a group after it of which that side is a majority (dissertation, 4.1, and Ongaro's correction of 2015; core/raft/membership.ts).
 */
export class MemberRaces {
  readonly #options: RacesOptions;

  constructor(options: RacesOptions) {
    this.#options = options;
  }

  run(): void {
    const leader = this.#leader();
    const voters = leader?.member?.status().config.members.flatMap(({ id, role }) => (role === 'voter' ? [id] : [])) ?? [];
    if (!leader || !voters.includes(leader.id)) return;
    if (voters.length === 4) this.#changeAsLeadersChange(leader, voters);
    else if (voters.length > 1) this.#changeTwiceAtOnce(leader, voters);
  }

  /** A leader that is cut off with less than half of the voters is told to remove two of the others: were both done, those would be a majority. */
  #changeTwiceAtOnce(leader: SimServer, voters: readonly ServerId[]): void {
    const others = this.#shuffled(voters.filter((id) => id !== leader.id));
    const beside = others.splice(0, (voters.length - 1) / 2 - 1);
    this.#options.trace?.(`${leader.id} is cut off with ${beside.join()} and is to remove ${others.slice(0, 2).join()} at once`);
    this.#cut([leader.id, ...beside]);
    for (const id of others.slice(0, 2)) this.#remove(leader, id);
    this.#healAfter(800);
  }

  /**
   * Of four, a leader that is cut off removes another one, and nobody hears of it. Whoever leads next is to remove that leader at once, with one other
   * beside it: were it done, the two would be a majority of the three that are left, and so would be the old leader and the fourth of theirs.
   */
  #changeAsLeadersChange(old: SimServer, voters: readonly ServerId[]): void {
    const { timeline, trace } = this.#options;
    const [removed] = this.#shuffled(voters.filter((id) => id !== old.id)) as [ServerId];
    trace?.(`${old.id} is cut off and is to remove ${removed}`);
    this.#cut([old.id]);
    this.#remove(old, removed);
    let looks = 0;
    const look = (): void => {
      if (this.#options.over()) return;
      const next = this.#leader(old.id);
      if (!next && ++looks < LOOKS_MAX) return timeline.after(LOOK_MS, look);
      if (next && voters.includes(next.id)) {
        const others = this.#shuffled(voters.filter((id) => id !== old.id && id !== next.id));
        const beside = next.id === removed ? others[0]! : removed;
        trace?.(`${next.id} leads, is cut off with ${beside}, and is to remove ${old.id}`);
        this.#options.network.heal();
        this.#cut([next.id, beside]);
        this.#remove(next, old.id);
      }
      this.#healAfter(1_000);
    };
    timeline.after(LOOK_MS, look);
  }

  /** Who leads, by its own word, and another one than this. */
  #leader(other?: ServerId): SimServer | undefined {
    return this.#options.servers().find(({ member, id }) => member?.leader === id && id !== other);
  }

  #remove(leader: SimServer, id: ServerId): void {
    leader.changeMembers({ kind: 'remove', id }, (problem) => this.#options.trace?.(`removal of ${id}: ${problem ?? 'done, or lost'}`));
  }

  /** Between these servers and the others; clients reach all. */
  #cut(side: readonly ServerId[]): void {
    const { network, servers } = this.#options;
    for (const { id } of servers()) {
      if (side.includes(id)) continue;
      for (const inside of side) {
        network.cut(inside, id);
        network.cut(id, inside);
      }
    }
  }

  #healAfter(ms: number): void {
    const { timeline, network, random } = this.#options;
    timeline.after(ms * (0.5 + random.next()), () => network.heal());
  }

  #shuffled(ids: readonly ServerId[]): ServerId[] {
    const left = [...ids];
    return ids.map(() => left.splice(this.#options.random.int(left.length), 1)[0]!);
  }
}
