import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { type NuwaContext, submitWrite } from './context.ts';

export function set(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['set'] {
  return async (request, { caller }) => {
    const { version, revision } = await submitWrite(nuwa, { kind: 'set', ...request }, caller);
    return { version: version!, revision };
  };
}
