import type { Logger } from '../../services/base/log.ts';
import { useMachineTls } from '../../services/kuafu/client.ts';
import type { Identity } from '../../services/kuafu/guard-contract.ts';
import { joinCluster } from '../../services/nuwa/client.ts';
import { openCertificateKeeper, tellCertificate } from '../../services/zhongkui/client.ts';
import type { SecurityConfig } from '../../services/zhongkui/contract.ts';
import { type CertificateAnswer, joinService, type RenewRequest, ZHONGKUI_JOIN_SERVICE } from '../../services/zhongkui/join-contract.ts';

/**
 * This machine's certificate, for all that this process serves and calls. It comes first of all: without it nobody can be reached, not even Nuwa, through which
 * it is renewed. So until the process has its place in the cluster it only shows what is in the files, and from then on renews it as well.
 */
export interface MachineTls {
  renewBy(renew: Renew): void;
  close(): Promise<void>;
}

export type Renew = (request: RenewRequest) => Promise<CertificateAnswer>;

/** Errors: NoSuchKey, KeyMalformed, KeyUnsafe. */
export async function openMachineTls(files: NonNullable<SecurityConfig['tls']>, { log }: { log: Logger }): Promise<MachineTls> {
  let renewBy: (renew: Renew) => void = () => {};
  const renewing = new Promise<Renew>((resolve) => {
    renewBy = resolve;
  });
  let end: (why: Error) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    end = reject;
  });
  ended.catch(() => {}); // whoever waits hears of it
  // A renewal that is under way when the process ends is one of no use.
  const renew: Renew = (request) => Promise.race([ended, renewing.then((by) => by(request))]);
  const keeper = await openCertificateKeeper({ files, ask: { renew }, log });
  useMachineTls(keeper);
  const untell = tellCertificate(keeper);
  log.info({ machine: keeper.current.machine, expires: new Date(keeper.current.notAfterMs).toISOString() }, 'role.certified');
  return {
    renewBy,
    close: () => {
      untell();
      end(new Error('this process ends'));
      return keeper.close();
    },
  };
}

/** Asks the role `zhongkui`, wherever it is, with clients that are made for that: it is once a day. */
export function renewThroughNuwa(options: {
  cluster: string;
  nuwa: readonly string[];
  creator: string;
  identity: Identity;
  log: Logger;
}): Renew {
  return async (request) => {
    const { kuafu, leave } = await joinCluster(options);
    try {
      return await kuafu.service(joinService, `nuwa://${options.cluster}/${ZHONGKUI_JOIN_SERVICE}/`).renew(request);
    } finally {
      await leave();
    }
  };
}
