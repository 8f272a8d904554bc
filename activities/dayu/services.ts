import type { dayuMasterService } from '../../services/dayu/contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';

/** What Dayu's activities of the queue `feitian` work with. */
export interface DayuServices {
  dayuMaster: ServiceClient<typeof dayuMasterService>;
}
