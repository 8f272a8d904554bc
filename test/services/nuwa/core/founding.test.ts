import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { answerClaim, type Claim, type ClaimAnswer, Founding, type Standing } from '../../../../services/nuwa/core/founding.ts';

const MEMBERS = ['a', 'b', 'c'];

const standing = (more: Partial<Standing> = {}): Standing => ({
  id: 'a',
  birth: 'a1',
  mayVote: false,
  members: MEMBERS,
  births: new Map(),
  ...more,
});
const claim = (from: string, birth: string, members = MEMBERS): Claim => ({ from, birth, members });

describe('a claim', () => {
  it('at a server that is new itself is answered with its birth', () => {
    expect(answerClaim(standing(), claim('b', 'b1'))).toEqual({ kind: 'known', birth: 'a1' });
  });

  it('at a server that votes is answered where it knows the birth, and refused where it knows another or none', () => {
    const voter = standing({ mayVote: true, births: new Map([['b', 'b1']]) });
    expect(answerClaim(voter, claim('b', 'b1'))).toEqual({ kind: 'known', birth: 'a1' });
    expect(answerClaim(voter, claim('b', 'b2'))).toEqual({ kind: 'taken' });
    expect(answerClaim(voter, claim('c', 'c1'))).toEqual({ kind: 'taken' });
  });

  it('by one that was told of another group is refused', () => {
    const answer = { kind: 'otherGroup', members: MEMBERS };
    expect(answerClaim(standing(), claim('b', 'b1', ['a', 'b']))).toEqual(answer);
    expect(answerClaim(standing(), claim('b', 'b1', ['a', 'b', 'd']))).toEqual(answer);
    expect(answerClaim(standing({ members: [] }), claim('b', 'b1'))).toEqual({ kind: 'otherGroup', members: [] });
  });
});

describe('a founding', () => {
  it('is done when all others answered, not most of them', () => {
    const founding = new Founding({ id: 'a', members: MEMBERS });
    founding.hear('b', { kind: 'known', birth: 'b1' });
    expect([founding.done, founding.waitsFor]).toEqual([false, ['c']]);
    founding.hear('c', { kind: 'known', birth: 'c1' });
    expect(founding.done).toBe(true);
  });

  it('is never done once somebody refused', () => {
    const founding = new Founding({ id: 'a', members: MEMBERS });
    founding.hear('b', { kind: 'taken' });
    founding.hear('b', { kind: 'known', birth: 'b1' });
    founding.hear('c', { kind: 'known', birth: 'c1' });
    expect([founding.done, founding.refusal?.by]).toEqual([false, 'b']);
  });

  it('of a group of one is done at once', () => {
    expect(new Founding({ id: 'a', members: ['a'] }).done).toBe(true);
  });
});

/** A server with its disk; what is not on the disk a crash takes. */
class Simulated {
  readonly id: string;
  disk: { birth: string; mayVote: boolean; births: Map<string, string> };
  founding: Founding;

  constructor(id: string, birth: string) {
    this.id = id;
    this.disk = { birth, mayVote: false, births: new Map() };
    this.founding = new Founding({ id, members: MEMBERS });
  }
  get standing(): Standing {
    return { id: this.id, birth: this.disk.birth, mayVote: this.disk.mayVote, members: MEMBERS, births: this.disk.births };
  }
  restart(): void {
    this.founding = new Founding({ id: this.id, members: MEMBERS });
  }
}

/** @returns what went wrong, and how many births came to vote. */
function run(
  seed: number,
  { answer = answerClaim, done = (founding: Founding) => founding.done } = {},
): { problems: string[]; founded: number } {
  const random = seededRandom(seed);
  const pick = <T>(of: readonly T[]): T => of[random.int(of.length)]!;
  let births = 0;
  const problems: string[] = [];
  const servers = new Map(MEMBERS.map((id) => [id, new Simulated(id, `${id}${births++}`)]));
  const replies: { from: string; to: string; founding: Founding; answer: ClaimAnswer }[] = [];
  /** Births that may vote, and who took part with each and still has its files. */
  const voters: { id: string; birth: string; companions: Set<string> }[] = [];
  for (let step = 0; step < 300; step++) {
    const server = servers.get(pick(MEMBERS))!;
    const what = random.int(20);
    if (what === 0) server.restart();
    else if (what === 1 && random.int(3) === 0) {
      for (const voter of voters) voter.companions.delete(server.id);
      servers.set(server.id, new Simulated(server.id, `${server.id}${births++}`));
    } else if (what < 12) {
      const to = servers.get(pick(MEMBERS.filter((id) => id !== server.id)))!;
      const answered = answer(to.standing, claim(server.id, server.disk.birth));
      replies.push({ from: to.id, to: server.id, founding: server.founding, answer: answered });
    } else if (replies.length > 0) {
      // Late, out of order, or twice.
      const at = random.int(replies.length);
      const reply = replies[at]!;
      if (random.int(4) > 0) replies.splice(at, 1);
      reply.founding.hear(reply.from, reply.answer);
      const asked = servers.get(reply.to)!;
      if (asked.founding !== reply.founding || !done(reply.founding) || asked.disk.mayVote) continue;
      asked.disk.mayVote = true;
      asked.disk.births = new Map(reply.founding.births);
      for (const { id, birth, companions } of voters)
        if (id === asked.id && birth !== asked.disk.birth && companions.size > 0)
          problems.push(`${id} votes as ${birth} and as ${asked.disk.birth}, and ${[...companions]} took part with both`);
      const taking = voters.filter(({ id, birth }) => id !== asked.id && servers.get(id)!.disk.birth === birth);
      for (const { companions } of taking) companions.add(asked.id);
      voters.push({ id: asked.id, birth: asked.disk.birth, companions: new Set(taking.map(({ id }) => id)) });
    }
  }
  return { problems, founded: voters.length };
}

const SEEDS = Array.from({ length: 3_000 }, (_, i) => i + 1);

describe('servers that begin a group, crash, and lose their files', () => {
  it('never vote as two births of one name to anybody who took part with both', () => {
    let founded = 0;
    for (const seed of SEEDS) {
      const { problems, founded: count } = run(seed);
      expect(problems, `seed ${seed}`).toEqual([]);
      founded += count;
    }
    expect(founded).toBeGreaterThan(SEEDS.length);
  });

  it.each<[string, NonNullable<Parameters<typeof run>[1]>]>([
    ['a server that votes answered as one that is new', { answer: (of, by) => answerClaim({ ...of, mayVote: false }, by) }],
    [
      'a server that votes forgot whom it knows',
      { answer: (of, by) => (of.births.has(by.from) ? answerClaim({ ...of, mayVote: false }, by) : answerClaim(of, by)) },
    ],
    ['most of the others were enough', { done: ({ births }) => births.size > 0 }],
  ])('would if %s: the schedules find it', (_, broken) => {
    expect(SEEDS.some((seed) => run(seed, broken).problems.length > 0)).toBe(true);
  });
});
