import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { viewNode } from '../core/tree/read.ts';
import { findNode, look, type NuwaContext } from './context.ts';

export function get(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['get'] {
  return ({ path, stale }) => look(nuwa, stale, (state) => ({ node: viewNode(path, findNode(state, path)), revision: state.revision }));
}
