import { backoffMs } from '../../base/backoff.ts';
import type { Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { CompactedError, type Followed, NuwaError, type NuwaEvent } from '../contract.ts';
import { childPath } from '../core/tree/path.ts';
import { isRefusal, pause } from './rpc.ts';
import type { Depth } from './snapshot.ts';
import type { Watches } from './watches.ts';

/**
 * A directory, whole and kept whole: all that is there, then what changes, and all again where changes were missed for good. Whoever keeps
 * a picture of a directory needs no more than a loop over this; while no server answers, the picture stays as it was.
 *
 * A snapshot is read in several calls, so a change that happened meanwhile may be in it. Its event comes after, and would take the picture
 * back for a moment: it is left out, since the node's `modifyRevision` tells that it was seen.
 *
 * Who may not look hears so instead of the first picture: to wait would pass a missing right off as an outage. Who had a picture keeps it, and asks on: its rights may be
 * between an old token and a new one. Errors: BadPath; PermissionDenied, Unauthenticated.
 */
export async function* followNodes(options: {
  watches: Watches;
  path: string;
  recursive: boolean;
  signal?: AbortSignal;
  log: Logger;
}): AsyncGenerator<Followed, undefined> {
  const { watches, path, recursive, signal, log } = options;
  const over = (): boolean => signal?.aborted === true || watches.closed;
  const depth: Depth = recursive ? 'all' : 'children';
  const inPicture = recursive ? () => true : childOf(path);
  let place: number | undefined;
  let seen: SeenNodes | undefined;
  for (let failures = 0; !over(); ) {
    try {
      if (place === undefined) {
        const snapshot = await watches.snapshot(path, depth);
        if (over()) return;
        place = snapshot.revision;
        seen = new SeenNodes(snapshot);
        yield { kind: 'snapshot', nodes: snapshot.nodes, revision: place };
      }
      for await (const event of watches.watch(path, { recursive: true, afterRevision: place, signal, depth })) {
        place = event.revision;
        failures = 0;
        if (seen && event.revision > seen.readTo) seen = undefined;
        if (inPicture(event.path) && !seen?.has(event)) yield { kind: 'event', event };
      }
      return;
    } catch (error) {
      if (over()) return;
      if (error instanceof CompactedError) {
        log.warn({ path, ...error.details }, 'nuwa.follow.compacted');
        place = error.snapshot.revision;
        seen = new SeenNodes(error.snapshot);
        yield { kind: 'snapshot', nodes: error.snapshot.nodes, revision: place };
      } else if (error instanceof NuwaError || (place === undefined && isRefusal(error))) {
        throw error; // such as a path that is none: it will not be one later
      } else {
        log.warn({ path, err: error }, 'nuwa.follow.failed');
        await pause(backoffMs(++failures, systemRandom), signal ?? watches.closing);
      }
    }
  }
}

/** What a snapshot has already of the changes that happened while it was read. */
class SeenNodes {
  readonly readTo: number;
  readonly #modifyRevisions = new Map<string, number>();

  constructor({ nodes, readTo, revision }: CompactedError['snapshot']) {
    this.readTo = readTo;
    if (readTo > revision) for (const node of nodes) this.#modifyRevisions.set(node.path, node.modifyRevision);
  }

  has(event: NuwaEvent): boolean {
    return event.revision <= (this.#modifyRevisions.get(event.path) ?? 0);
  }
}

/** Whether a path is the directory or a child of it. */
function childOf(directory: string): (path: string) => boolean {
  const prefix = childPath(directory, '');
  return (path) => path === directory || !path.includes('/', prefix.length);
}
