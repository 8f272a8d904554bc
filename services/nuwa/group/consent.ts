import { hasCode, messageOf } from '../../base/errors.ts';
import { NuwaError } from '../contract.ts';
import { memberOf } from '../core/raft/members.ts';
import type { ServerId } from '../core/raft/types.ts';
import type { Group } from './group.ts';

const CONSENT_TIMEOUT_MS = 2_000;

/** Before a learner is promoted it remembers that it may vote (core/founding.ts). By a leader that surely leads, or what it knows of the group may be old. Errors: BadMembers. */
export async function askConsent(group: Group, of: ServerId): Promise<void> {
  const peer = group.peer(of);
  if (!peer || memberOf(group.config, of)?.role !== 'learner') return; // the change itself is refused
  await peer.service.consent(peer.between, { timeoutMs: CONSENT_TIMEOUT_MS }).catch((error: unknown) => {
    // One of an older version votes without being asked.
    if (hasCode(error, 'Unimplemented')) return;
    throw new NuwaError('BadMembers', `${of} does not say that it will vote: ${messageOf(error)}`, { cause: error });
  });
}
