import type { ServiceHandlers } from '../../../kuafu/contract.ts';
import type { dayuAgentService, Instance } from '../../contract.ts';

/** All instances of this node, as they are now. */
export function createInstances(list: () => Instance[]): ServiceHandlers<typeof dayuAgentService>['instances'] {
  return async () => ({ instances: list() });
}
