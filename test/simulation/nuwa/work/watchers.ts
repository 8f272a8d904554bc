import type { NuwaEvent } from '../../../../services/nuwa/contract.ts';
import type { SimClient } from '../client.ts';
import { mustHold } from '../failure.ts';

/** Clients that follow all changes by revision, asking one server after another; each must see every change once, in order. */
export class Watchers {
  readonly #watchers: { name: string; pieces: { afterRevision: number; seen: NuwaEvent[]; upTo: number }[] }[] = [];
  events = 0;

  run(client: SimClient): void {
    const watcher = { name: client.name, pieces: [] as { afterRevision: number; seen: NuwaEvent[]; upTo: number }[] };
    this.#watchers.push(watcher);
    const begin = (): void =>
      client.read(
        (state) => state.revision,
        (revision) => {
          watcher.pieces.push({ afterRevision: revision, seen: [], upTo: revision });
          poll();
        },
      );
    const poll = (): void => {
      const piece = watcher.pieces.at(-1)!;
      const after = piece.upTo;
      client.peek(
        ({ member }) => {
          if (!member) return undefined;
          const ring = member.events;
          if (!ring.reaches(after)) return { compacted: true as const };
          // A server that is behind what was seen elsewhere has nothing to tell yet.
          return ring.after(after, '/', true, 10_000);
        },
        (seen) => {
          if ('compacted' in seen) return begin();
          // A late copy of an answer to an earlier question.
          if (piece.upTo === after) {
            piece.seen.push(...seen.events);
            piece.upTo = seen.revision;
            this.events += seen.events.length;
          }
          if (!client.around.ending) client.after(client.around.random.next() * 150, poll);
        },
      );
    };
    begin();
  }

  /** `compactionExpected`: rings are so small that watchers may come too late. */
  check(all: readonly (NuwaEvent | undefined)[], compactionExpected: boolean): void {
    for (const { name, pieces } of this.#watchers) {
      mustHold(compactionExpected || pieces.length <= 1, 'watch continuity', () => `${name} was told Compacted`);
      for (const { afterRevision, seen, upTo } of pieces) {
        mustHold(
          seen.length === upTo - afterRevision,
          'watch continuity',
          () => `${name} saw ${seen.length} changes from ${afterRevision} to ${upTo}`,
        );
        seen.forEach((event, i) => {
          const revision = afterRevision + 1 + i;
          const first = all[revision];
          const same = event.revision === revision && first?.path === event.path && first.kind === event.kind;
          mustHold(
            same,
            'watch continuity',
            () => `${name} saw ${JSON.stringify(event)} where revision ${revision} is ${JSON.stringify(first)}`,
          );
        });
      }
    }
  }
}
