import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { viewNode } from '../core/tree/read.ts';
import { findNode, type NuwaContext } from './context.ts';

export function get(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['get'] {
  return async ({ path }) => {
    const node = findNode(nuwa, path);
    return { node: viewNode(path, node), revision: nuwa.replica.state.revision };
  };
}
