import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { type NuwaContext, submitWrite } from './context.ts';

export function create(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['create'] {
  return async (request, { caller }) => {
    const { path, revision } = await submitWrite(nuwa, { kind: 'create', ...request }, caller);
    return { path: path!, revision };
  };
}
