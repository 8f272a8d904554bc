import type { ClaimAnswer } from '../core/founding.ts';
import type { ServerId } from '../core/raft/types.ts';
import { INSTEAD } from '../log/damage.ts';

/** A server that must not come into its group as what it says it is: it is not known whether it once acknowledged or voted under this name. */
export class FilesLost extends Error {
  override readonly name = 'FilesLost';

  constructor(id: ServerId, by: ServerId, answer: ClaimAnswer) {
    super(`${id} is refused by ${by}: ${whyOf(id, by, answer)}`);
  }
}

function whyOf(id: ServerId, by: ServerId, answer: ClaimAnswer): string {
  if (answer.kind === 'otherGroup') {
    const told = answer.members.length === 0 ? 'waits to be added to one' : `begins one of ${answer.members.join(', ')}`;
    return `they were not told the same group; ${by} ${told}. Start all servers of a new group with the same --nuwa-members`;
  }
  return `the group lives already, and the files of its ${id} are not these. ${INSTEAD}`;
}
