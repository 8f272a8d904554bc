import type { NuwaCode } from '../../contract.ts';
import type { Refused } from './command.ts';
import { parsePath } from './path.ts';
import type { TreeState } from './state.ts';

export function refused(state: TreeState, code: NuwaCode, reason: string): Refused {
  return { kind: 'refused', code, reason, revision: state.revision };
}

/** Of a path that leads to no node: because none is there, or because none can be. */
export function notThere(state: TreeState, path: string): Refused {
  const { problem } = parsePath(path);
  return problem === undefined ? refused(state, 'NoNode', `${path} is not there`) : refused(state, 'BadPath', `${path}: ${problem}`);
}
