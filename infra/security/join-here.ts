import { X509Certificate } from 'node:crypto';
import { systemClock } from '../../services/base/clock.ts';
import { hasCode } from '../../services/base/errors.ts';
import { type Logger, silentLogger } from '../../services/base/log.ts';
import { issuerOf, openAuthority } from '../../services/zhongkui/certificates/authority.ts';
import { joinMachine } from '../../services/zhongkui/certificates/join-machine.ts';
import { openJoinStore } from '../../services/zhongkui/certificates/join-store.ts';
import { createJoinToken } from '../../services/zhongkui/certificates/join-tokens.ts';
import type { MachineCertificate } from '../../services/zhongkui/certificates/machine-certificate.ts';
import { loadMachine, type MachineFiles } from '../../services/zhongkui/certificates/machine-files.ts';
import { authorityFiles } from '../../services/zhongkui/client.ts';
import { join } from '../../services/zhongkui/ops/join.ts';
import { createJoinContext } from '../../services/zhongkui/ops/join-context.ts';

/**
 * The certificate of the machine that keeps the authority. It is made from the authority's files, by the code that serves everybody else: no server runs yet,
 * and none could be asked by a machine that has no certificate, or whose certificate has expired while it was switched off.
 */
export interface HereOptions {
  /** The data directory of role `zhongkui`; the authority is founded where there is none. */
  directory: string;
  cluster: string;
  machine: string;
  addresses: readonly string[];
  files: MachineFiles;
  log?: Logger;
}

/** Used at once. */
const TOKEN_TTL_MS = 60_000;
/** Processes renew it when a third of its life is left: who finds less than this finds that nobody did. */
const LEFT_SHARE_MIN = 1 / 4;

/** The machine's certificate: the present one, or a new one where it is none of this authority's, for other addresses, or about to end. */
export async function joinHere({
  directory,
  cluster,
  machine,
  addresses,
  files,
  log = silentLogger,
}: HereOptions): Promise<MachineCertificate> {
  const at = authorityFiles(directory);
  const clock = systemClock;
  const authority = await openAuthority({ directory: at.authority, cluster });
  const present = await loadMachine(files).catch((error: unknown) => {
    // What does not fit together, as after a crash at the very first start, is made anew.
    if (!hasCode(error, 'NoSuchKey', 'KeyMalformed')) throw error;
  });
  const nowMs = clock.nowMs();
  const good =
    present?.machine === machine &&
    addresses.every((address) => present.addresses.includes(address)) &&
    present.notAfterMs - nowMs > (present.notAfterMs - present.notBeforeMs) * LEFT_SHARE_MIN &&
    issuerOf(new X509Certificate(present.certificate), await authority.trusted(), nowMs, 0) !== undefined;
  if (good) return present;
  const store = await openJoinStore(at.joins);
  const { token } = await createJoinToken({ authority, store }, { machine, addresses, ttlMs: TOKEN_TTL_MS });
  const ask = { join: join(createJoinContext({ authority, store, clock, log })) };
  return await joinMachine({ token, machine, addresses, files, ask });
}
