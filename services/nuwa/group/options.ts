import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Identity } from '../../kuafu/guard-contract.ts';
import type { Member } from '../core/member/member.ts';
import type { Storage } from '../log/port.ts';

/** What a server's place in its group is made of. */
export interface GroupOptions {
  cluster: string;
  member: Member;
  storage: Storage;
  clock: Clock;
  /** Whom it speaks to its peers as. @default nobody */
  identity?: Identity;
  log: Logger;
}
