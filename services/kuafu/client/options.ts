import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Resolver } from '../contract.ts';
import type { Identity } from '../guard-contract.ts';
import type { TlsMaterial } from '../tls-contract.ts';
import type { Transports } from '../transports/index.ts';

export interface KuafuClientOptions {
  /** Needed for `nuwa://` addresses. */
  resolver?: Resolver;
  /** Whom calls are made as. @default nobody */
  identity?: Identity;
  clock?: Clock;
  random?: Random;
  log?: Logger;
  transports?: Transports;
  /** Messages of all its streams that wait to be read: from here on windows shrink, at twice as much streams end. @default 256 MiB */
  unreadBytesMax?: number;
  /** Needed for `tls://` addresses. */
  tls?: TlsMaterial;
  /** A peer that owes replies and is silent for so long is asked with a ping, and given up when it is silent for as long again. @default 5 s */
  silenceMs?: number;
  /** `unix:///path` of this machine's proxy: what is on other machines is connected to through it while it is there. @default what `useProxy` was told, or `none` */
  proxy?: string;
}
