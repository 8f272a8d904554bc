import type { ServiceClient } from '../../../services/kuafu/contract.ts';
import { MASTER_SERVICE, type MasterContract, masterService } from '../../../services/pangu/master-contract.ts';
import type { Membership } from './cluster.ts';

export function panguMasterOf({ cluster, kuafu }: Membership): ServiceClient<MasterContract> {
  return kuafu.service(masterService, `nuwa://${cluster.name}/${MASTER_SERVICE}/`);
}
