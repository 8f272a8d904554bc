import type { Acl, NuwaCode } from '../contract.ts';
import type { Change, Check, Command } from '../core/tree/command.ts';

/**
 * An entry that does not fit into one message to a peer could be written here and nowhere else, and the group would stand still. What the
 * tree allows fits with room to spare; only paths and ACLs by the thousand do not.
 */
export const COMMAND_BYTES_MAX = 5 * 1024 * 1024;

export function commandProblem(command: Command): { code: NuwaCode; reason: string } | undefined {
  const bytes = commandBytes(command);
  return bytes > COMMAND_BYTES_MAX
    ? { code: 'ValueTooLarge', reason: `${bytes} bytes of values, paths and ACLs, the limit is ${COMMAND_BYTES_MAX}` }
    : undefined;
}

function commandBytes(command: Command): number {
  switch (command.kind) {
    case 'openSession':
    case 'closeSession':
    case 'reap':
      return 0;
    case 'transaction': {
      let bytes = 0;
      for (const operation of command.operations) bytes += operationBytes(operation);
      return bytes;
    }
    default:
      return operationBytes(command);
  }
}

/** A text takes at most two bytes per unit. */
function operationBytes(operation: Change | Check): number {
  let bytes = operation.path.length * 2;
  if ('value' in operation) bytes += operation.value.length;
  if ('acl' in operation && operation.acl) bytes += aclBytes(operation.acl);
  return bytes;
}

function aclBytes(acl: Acl): number {
  let bytes = 0;
  for (const { scheme, id } of acl) bytes += 2 * (scheme.length + id.length) + 8;
  return bytes;
}
