import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { viewChildren } from '../core/tree/read.ts';
import { findNode, look, type NuwaContext } from './context.ts';

/** Half of what Kuafu takes in one body, which is decoded on the event loop of whoever asked. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

export function list(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['list'] {
  return ({ path, after, limit, stale }) =>
    look(nuwa, stale, (state) => ({
      ...viewChildren(path, findNode(state, path), after, PAGE_BYTES_MAX, limit),
      revision: state.revision,
    }));
}
