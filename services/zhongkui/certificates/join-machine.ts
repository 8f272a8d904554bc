import { X509Certificate } from 'node:crypto';
import { type Clock, systemClock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import { ZhongkuiError } from '../contract.ts';
import { parseJoinToken } from '../core/join-token.ts';
import type { CertificateAnswer, JoinRequest, RenewRequest } from '../join-contract.ts';
import { readAnswer } from './answer.ts';
import { canonicalAddress, fingerprintOf } from './encodings.ts';
import type { MachineCertificate } from './machine-certificate.ts';
import { forgetNextKey, hasNextKey, install, loadMachine, type MachineFiles, makePlace, nextKey } from './machine-files.ts';
import { proveJoin, proveRenewal } from './proofs.ts';
import { createRequest } from './request.ts';

/** How the authority is asked: `joinService` of a Kuafu client fits. */
export interface AskAuthority {
  join(request: JoinRequest): Promise<CertificateAnswer>;
  renew(request: RenewRequest): Promise<CertificateAnswer>;
}

export interface JoinOptions {
  /** As `createJoinToken` made it. */
  token: string;
  machine: string;
  /** By which the machine is called. @default none: it is called by its name only */
  addresses?: readonly string[];
  files: MachineFiles;
  ask: Pick<AskAuthority, 'join'>;
  clock?: Clock;
}

/**
 * Makes this machine one of the cluster's: its files are there afterwards. What was interrupted is done again with the same token: the key is on disk before it is asked for, and the
 * authority gives the same key its certificate again. What was refused leaves nothing behind. Errors: JoinRefused, CertificateRefused, KeyUnsafe; of the way there: Unavailable and the like.
 */
export async function joinMachine(options: JoinOptions): Promise<MachineCertificate> {
  const { machine, files, ask, clock = systemClock } = options;
  const token = parseJoinToken(options.token.trim());
  if (!token)
    throw new ZhongkuiError(
      'JoinRefused',
      'that is no join token: it is one line that begins with feitian-join and has been cut or altered',
    );
  const { cluster, id, secret, roots: believed } = token;
  const addresses = (options.addresses ?? []).map((text) => {
    const address = canonicalAddress(text);
    if (address === undefined) throw new ZhongkuiError('CertificateRefused', `${text} is no address`);
    return address;
  });
  const made = !(await hasNextKey(files));
  const takeBackPlace = await makePlace(files);
  const keyPem = await nextKey(files);
  const csr = await createRequest(keyPem, { machine, cluster, addresses });
  const request = { token: id, csr };
  const asking = ask.join({ ...request, proof: proveJoin(cluster, secret, request) });
  const answer = await asking.catch(async (error: unknown) => {
    // After anything else the token may be bound to this key by now, and only this key can use it again.
    if (made && hasCode(error, 'JoinRefused', 'CertificateRefused')) {
      await forgetNextKey(files, keyPem);
      await takeBackPlace();
    }
    throw (
      (error instanceof ZhongkuiError &&
        error.details.used === true &&
        (await joinedAlready(files, { machine, cluster }, error, clock.nowMs()))) ||
      error
    );
  });
  const received = readAnswer(answer, { cluster, machine, addresses, csr, keyPem, believed }, clock.nowMs());
  await install(files, received);
  return received;
}

/** Done a second time, with a token that is used up by the first: what is true of this machine says more than what is wrong with the token. */
async function joinedAlready(
  files: MachineFiles,
  wanted: { machine: string; cluster: string },
  error: ZhongkuiError,
  nowMs: number,
): Promise<ZhongkuiError | undefined> {
  const current = await loadMachine(files).catch(() => undefined);
  if (!current || current.machine !== wanted.machine || current.cluster !== wanted.cluster || current.notAfterMs <= nowMs) return undefined;
  const until = new Date(current.notAfterMs).toISOString();
  return new ZhongkuiError(
    'JoinRefused',
    `${current.machine} has joined ${current.cluster} already: its certificate at ${files.certificateFile} is good until ${until}, and stays as it was. Of this token the authority says: ${error.reason}`,
    { cause: error },
  );
}

/** Gets the present certificate's successor, for the next key, and makes it the machine's. Errors: CertificateRefused; of the way there: Unavailable and the like. */
export async function renewMachine(
  files: MachineFiles,
  current: MachineCertificate,
  ask: Pick<AskAuthority, 'renew'>,
  nowMs: () => number,
): Promise<MachineCertificate> {
  const { machine, cluster, addresses, certificate, key } = current;
  const keyPem = await nextKey(files, current);
  const csr = await createRequest(keyPem, { machine, cluster, addresses });
  const request = { certificate, csr };
  const answer = await ask.renew({ ...request, proof: proveRenewal(cluster, key, request) });
  const believed = current.roots.map((root) => fingerprintOf(new X509Certificate(root).raw));
  const received = readAnswer(answer, { cluster, machine, addresses, csr, keyPem, believed }, nowMs());
  await install(files, received);
  return received;
}
