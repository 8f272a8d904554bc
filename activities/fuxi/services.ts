import type { fuxiMasterService } from '../../services/fuxi/contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';
import type { NuwaClient } from '../../services/nuwa/contract.ts';
import type { PanguClient } from '../../services/pangu/contract.ts';
import type { Submitters } from './check-submitter.ts';

/** What the activities of the queue `feitian` work with. */
export interface FuxiServices {
  pangu: PanguClient;
  nuwa: Pick<NuwaClient, 'create' | 'transact'>;
  fuxiMaster: ServiceClient<typeof fuxiMasterService>;
  /** Present where jobs must say who submits them. */
  submitters?: Submitters;
}
