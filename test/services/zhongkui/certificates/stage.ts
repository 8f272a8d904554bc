import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { type Clock, systemClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { type Authority, openAuthority } from '../../../../services/zhongkui/certificates/authority.ts';
import { type JoinOptions, joinMachine } from '../../../../services/zhongkui/certificates/join-machine.ts';
import { type JoinStore, openJoinStore } from '../../../../services/zhongkui/certificates/join-store.ts';
import { createJoinToken } from '../../../../services/zhongkui/certificates/join-tokens.ts';
import type { MachineCertificate } from '../../../../services/zhongkui/certificates/machine-certificate.ts';
import type { MachineFiles } from '../../../../services/zhongkui/certificates/machine-files.ts';
import type { CertificateAnswer, JoinRequest, RenewRequest } from '../../../../services/zhongkui/join-contract.ts';
import { join } from '../../../../services/zhongkui/ops/join.ts';
import { createJoinContext } from '../../../../services/zhongkui/ops/join-context.ts';
import { renew } from '../../../../services/zhongkui/ops/renew.ts';

export interface AuthorityStage {
  directory: string;
  authority: Authority;
  store: JoinStore;
  clock: Clock;
  ask: { join(request: JoinRequest): Promise<CertificateAnswer>; renew(request: RenewRequest): Promise<CertificateAnswer> };
  filesOf(machine: string): MachineFiles;
  token(options?: Parameters<typeof createJoinToken>[1]): Promise<string>;
  joined(machine: string, options?: Partial<JoinOptions>): Promise<MachineCertificate>;
  /** Another authority process over the same files. */
  again(): Promise<AuthorityStage['ask']>;
  close(): Promise<void>;
}

/** An authority over real files, asked without a network. */
export async function stageAuthority({
  cluster = 'local',
  clock = systemClock,
}: {
  cluster?: string;
  clock?: Clock;
} = {}): Promise<AuthorityStage> {
  const directory = await mkdtemp(pathOf(tmpdir(), 'feitian-authority-'));
  const open = () => openAuthority({ directory: pathOf(directory, 'authority'), cluster, clock });
  const authority = await open();
  const store = await openJoinStore(pathOf(directory, 'joins'));
  const askOf = (each: Authority, its: JoinStore): AuthorityStage['ask'] => {
    const context = createJoinContext({ authority: each, store: its, clock, log: silentLogger });
    return { join: join(context), renew: renew(context) };
  };
  const stage: AuthorityStage = {
    directory,
    authority,
    store,
    clock,
    ask: askOf(authority, store),
    filesOf: (machine) => ({
      certificateFile: pathOf(directory, machine, 'machine.crt'),
      keyFile: pathOf(directory, machine, 'machine.key'),
    }),
    token: async (options) => (await createJoinToken({ authority, store, clock }, options)).token,
    async joined(machine, options = {}) {
      const token = options.token ?? (await stage.token());
      return await joinMachine({
        token,
        machine,
        addresses: ['127.0.0.1'],
        files: stage.filesOf(machine),
        ask: stage.ask,
        clock,
        ...options,
      });
    },
    again: async () => askOf(await open(), await openJoinStore(pathOf(directory, 'joins'))),
    close: () => rm(directory, { recursive: true, force: true }),
  };
  return stage;
}

/** The code and reason of what a promise was rejected with. */
export async function refusalOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as Error).message;
  }
  return 'it was not refused';
}
