import type { Change, Done, Refused, RequestId } from './command.ts';
import { applyCreate } from './create.ts';
import { applyDelete } from './delete.ts';
import type { Edit } from './edit.ts';
import { applySet } from './set.ts';
import { applySetAcl } from './set-acl.ts';
import type { Session } from './state.ts';

/** One change, by itself or as a step of a transaction. `by` is the request that it came with. */
export function applyChange(edit: Edit, session: Session, by: RequestId, change: Change): Done | Refused {
  switch (change.kind) {
    case 'create':
      return applyCreate(edit, session, by, change);
    case 'set':
      return applySet(edit, by, change);
    case 'delete':
      return applyDelete(edit, by, change);
    case 'setAcl':
      return applySetAcl(edit, by, change);
  }
}
