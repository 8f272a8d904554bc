import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { type NuwaContext, submitWrite } from './context.ts';

export function deleteNode(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['delete'] {
  return async (request, { caller }) => {
    const { revision } = await submitWrite(nuwa, { kind: 'delete', ...request }, caller);
    return { revision };
  };
}
