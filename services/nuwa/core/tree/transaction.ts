import { TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX } from '../../contract.ts';
import { applyChange } from './change.ts';
import { applyCheck } from './check.ts';
import type { Done, Refused, RequestId, Transaction } from './command.ts';
import type { Edit } from './edit.ts';
import { refused } from './refused.ts';
import type { Session, TreeState } from './state.ts';

/**
 * Several operations as one step of the tree: nobody sees some of them without the others, since nothing else is applied in between.
 * They are done in place, one after the other, so that each sees what those before it did; when one is refused, those are taken back from the
 * last to the first, and the state is what it was, its revisions and counters too. That is cheaper than trying them out on a copy, and
 * nothing is paid by a transaction that holds but a note per change of how to take it back.
 */
export function applyTransaction(edit: Edit, session: Session, by: RequestId, { operations }: Transaction): Done | Refused {
  const { state } = edit;
  const tooLarge = sizeProblem(state, operations);
  if (tooLarge) return tooLarge;
  const { revision } = state;
  const undo: (() => void)[] = [];
  const revocable: Edit = { ...edit, undo };
  const results: NonNullable<Done['results']> = [];
  for (const [i, operation] of operations.entries()) {
    const reply = operation.kind === 'check' ? applyCheck(state, by, operation) : applyChange(revocable, session, by, operation);
    if (reply.kind === 'refused') {
      while (undo.length > 0) undo.pop()!();
      state.revision = revision;
      edit.events.length = 0;
      return { ...reply, revision, operation: i };
    }
    const { path, version, stat } = reply;
    results.push({ path, version, stat });
  }
  return { kind: 'done', revision: state.revision, results };
}

function sizeProblem(state: TreeState, operations: Transaction['operations']): Refused | undefined {
  if (operations.length > TRANSACTION_OPERATIONS_MAX)
    return refused(state, 'BadArguments', `${operations.length} operations, the limit is ${TRANSACTION_OPERATIONS_MAX}`);
  let bytes = 0;
  for (const operation of operations) if ('value' in operation) bytes += operation.value.length;
  if (bytes <= TRANSACTION_BYTES_MAX) return undefined;
  return refused(state, 'ValueTooLarge', `${bytes} bytes of values, the limit of a transaction is ${TRANSACTION_BYTES_MAX}`);
}
