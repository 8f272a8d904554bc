import type { ServiceClient } from '../../services/kuafu/contract.ts';
import type { MasterContract } from '../../services/pangu/master-contract.ts';

/** What Pangu's activities work with. */
export interface PanguServices {
  panguMaster: ServiceClient<MasterContract>;
}
