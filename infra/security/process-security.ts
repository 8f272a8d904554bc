import type { Logger } from '../../services/base/log.ts';
import type { Guard } from '../../services/kuafu/guard-contract.ts';
import { connectNuwa } from '../../services/nuwa/client.ts';
import type { NuwaClient } from '../../services/nuwa/contract.ts';
import { delegate, openGuard, openIdentity, tellToken } from '../../services/zhongkui/client.ts';
import type { ProcessIdentity, SecurityConfig } from '../../services/zhongkui/contract.ts';

/** Who this process is, who may call it, and a client of Nuwa that it has anyway: revocations come from there. */
export interface ProcessSecurity {
  identity: ProcessIdentity;
  guard: Guard;
  /** Absent where this process starts before Nuwa. */
  nuwa?: NuwaClient;
  /** For a process that starts before Nuwa, once it serves. */
  followAt(addresses: readonly string[]): Promise<NuwaClient>;
  close(): Promise<void>;
}

export interface ProcessSecurityOptions {
  cluster: string;
  security: SecurityConfig;
  /** Kuafu addresses of the Nuwa servers. */
  nuwa: readonly string[];
  /** It must serve before there is a group of Nuwa that could tell it of revocations: Nuwa's own servers, and the authority that gives them certificates. */
  startsFirst: boolean;
  creator: string;
  log: Logger;
}

/** Resolves when revocations are known, so that who calls the moment a role is registered is not turned away. */
export async function openSecurity(options: ProcessSecurityOptions): Promise<ProcessSecurity> {
  const { cluster, security, startsFirst, creator, log } = options;
  const identity = await openIdentity(security.identityFile, { log });
  const untell = tellToken(identity);
  const guard = await openGuard({ cluster, trustFile: security.trustFile, trustStale: startsFirst, log });
  let nuwa: NuwaClient | undefined;
  const followAt = async (addresses: readonly string[]): Promise<NuwaClient> => {
    nuwa ??= await connectNuwa({ addresses, cluster, creator, identity, log });
    await guard.follow(nuwa);
    return nuwa;
  };
  if (!startsFirst) await followAt(options.nuwa);
  const own: ProcessIdentity = {
    get version() {
      return identity.version;
    },
    get name() {
      return identity.name;
    },
    present: (challenge) => identity.present(challenge),
    delegate: (given) => delegate(identity, given),
  };
  return {
    identity: own,
    guard,
    ...(nuwa ? { nuwa } : {}),
    followAt,
    async close() {
      guard.close();
      untell();
      identity.close();
      await nuwa?.close();
    },
  };
}
