import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { type NuwaContext, submitWrite } from './context.ts';

export function transact(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['transact'] {
  return async ({ operations, ...id }, { caller }) => {
    const { revision, results } = await submitWrite(nuwa, { kind: 'transaction', ...id, operations }, caller);
    return { revision, results: (results ?? []).map(({ path, version }) => ({ path, version })) };
  };
}
