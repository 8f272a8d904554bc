import type { Clock } from '../../base/clock.ts';
import { NuwaError } from '../contract.ts';
import type { Command, Done, Write } from '../core/tree/command.ts';
import { parsePath } from '../core/tree/path.ts';
import { type TreeNode, walk } from '../core/tree/state.ts';
import type { Replica } from '../replica.ts';
import type { SessionClock } from '../session-clock.ts';
import type { Watchers } from '../watchers.ts';

/** What every operation works on. */
export interface NuwaContext {
  readonly replica: Replica;
  readonly sessions: SessionClock;
  readonly watchers: Watchers;
  readonly clock: Clock;
}

/** A change: a sign of life of its session, then a command. */
export function submitWrite(nuwa: NuwaContext, write: Write): Promise<Done> {
  nuwa.sessions.touch(nuwa.replica.state, write.session, nuwa.clock.monotonicMs());
  return nuwa.replica.submit(write satisfies Command);
}

/** Errors: BadPath, NoNode with the revision at which it was not there. */
export function findNode(nuwa: NuwaContext, path: string): TreeNode {
  const { state } = nuwa.replica;
  const { segments, problem } = parsePath(path);
  if (!segments) throw new NuwaError('BadPath', `${path}: ${problem}`);
  const { node, depth } = walk(state, segments);
  if (depth < segments.length) throw new NuwaError('NoNode', `${path} is not there`, { details: { revision: state.revision } });
  return node;
}
