import type { Clock } from '../../base/clock.ts';
import { KuafuError } from '../../kuafu/contract.ts';
import { type Caller, NOBODY } from '../../kuafu/guard-contract.ts';
import { NuwaError } from '../contract.ts';
import type { Command, Create, Done, Write } from '../core/tree/command.ts';
import { parsePath } from '../core/tree/path.ts';
import { nodeAt, type Session, type TreeNode, type TreeState } from '../core/tree/state.ts';
import { isSystemPath, SYSTEM_PATH } from '../core/tree/system-path.ts';
import type { Founder } from '../group/founding.ts';
import type { Group } from '../group/group.ts';
import type { Watchers } from '../watchers.ts';
import type { KeptDoor } from '../zookeeper/keep-door.ts';
import type { Answers } from './answers.ts';

/** What every operation works on. */
export interface NuwaContext {
  readonly group: Group;
  readonly watchers: Watchers;
  readonly clock: Clock;
  /** Its way into a group that begins. */
  readonly founder?: Pick<Founder, 'waitsFor'>;
  readonly answers: Answers;
  /** Where this server speaks ZooKeeper, or why it does not, if it is to. */
  readonly zookeeper: () => Pick<KeptDoor, 'address' | 'problem'> | undefined;
}

/** A change in the name of one of the caller's sessions: a sign of life of it, then a command. */
export async function submitWrite(nuwa: NuwaContext, write: Write, caller: Caller): Promise<Done> {
  if (write.kind === 'create') assertNoSystemNode(write);
  else if (write.kind === 'transaction') for (const each of write.operations) if (each.kind === 'create') assertNoSystemNode(each);
  const asking = assertOwnSession(nuwa, write.session, caller);
  if (asking) await asking;
  nuwa.group.touch(write.session);
  return submit(nuwa, write);
}

/** Errors: BadPath. A name there that the counter completes is another one. */
function assertNoSystemNode({ path, sequential }: Create): void {
  if (isSystemPath(path) && !(sequential && path === SYSTEM_PATH))
    throw new NuwaError('BadPath', `${path}: what is under ${SYSTEM_PATH} is for ZooKeeper's clients to read, no node of the tree`);
}

/**
 * A session is its key's: whoever learned its id, from a node that it owns, can do nothing with it. Neither can anybody here with one that came through the ZooKeeper
 * door, which has a password. Who it belongs to never changes, so what is applied here decides; a session that is not known here yet is looked for where all is known.
 * Errors: NoSession, as if it was not there, so that a caller whose key was replaced begins a new one.
 */
export function assertOwnSession(nuwa: NuwaContext, session: string, caller: Caller): Promise<void> | undefined {
  // Without a guard everybody is nobody, and nobody is asked.
  if (caller === NOBODY) return undefined;
  const known = nuwa.group.state.sessions.get(session);
  if (known) return assertOwn(known, caller);
  return look(nuwa, false, ({ sessions }) => {
    const found = sessions.get(session);
    if (!found) throw new NuwaError('NoSession', `session ${session} is unknown or expired`);
    assertOwn(found, caller);
  });
}

function assertOwn({ id, holder, password }: Session, caller: Caller): undefined {
  if (password !== undefined || (holder !== undefined && holder !== caller.key))
    throw new NuwaError('NoSession', `session ${id} is not one of ${caller.name}'s key`);
}

/** The key that a session is opened by. */
export const holderOf = (caller: Caller): { holder?: string } => (caller === NOBODY ? {} : { holder: caller.key });

/** Errors: what the tree refuses; Unavailable, or of a server that is all its group Unwritable. */
export function submit({ group, answers }: NuwaContext, command: Command): Promise<Done> {
  return new Promise((resolve, reject) => {
    group.submit(command, (reply) =>
      answers.give(() => {
        if (reply?.kind === 'done') resolve(reply);
        else if (reply)
          reject(new NuwaError(reply.code, reply.reason, { details: { revision: reply.revision, operation: reply.operation } }));
        else reject(away(group));
      }),
    );
  });
}

/** Looks at the tree when what it shows is linearizable; with `stale`, at once. */
export function look<Seen>({ group, answers }: NuwaContext, stale: boolean | undefined, see: (state: TreeState) => Seen): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const ready = (ok: boolean): void => {
      if (!ok) return reject(away(group));
      try {
        resolve(see(group.state));
      } catch (error) {
        reject(error);
      }
    };
    if (stale) answers.give(() => ready(true));
    else group.read((ok) => answers.give(() => ready(ok)));
  });
}

/** Errors: BadPath, NoNode with the revision at which it was not there. */
export function findNode(state: TreeState, path: string): TreeNode {
  const node = nodeAt(state, path);
  if (node) return node;
  const { problem } = parsePath(path);
  if (problem) throw new NuwaError('BadPath', `${path}: ${problem}`);
  throw new NuwaError('NoNode', `${path} is not there`, { details: { revision: state.revision } });
}

/** Where this server is all there is, and is broken, there is nothing to wait for. */
export function away(group: Group): Error {
  if (!group.writable && group.alone) return new NuwaError('Unwritable', `${group.id} can no longer write its log`);
  return unavailable(group);
}

/**
 * The group cannot be asked here and now. Whether a change was made nobody knows; all calls may be sent again, and `notRun` says to do so, here
 * or at another server, until the deadline.
 */
export function unavailable(group: Group): Error {
  const reason = group.writable ? `${group.id} cannot ask its group now` : `${group.id} can no longer write its log`;
  return new KuafuError('Unavailable', reason, { details: { notRun: true, leader: group.leader } });
}
