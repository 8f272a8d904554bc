import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Authority, SigningRoot } from '../certificates/authority.ts';
import type { JoinStore } from '../certificates/join-store.ts';
import { signAnswer } from '../certificates/proofs.ts';
import type { ReadRequest } from '../certificates/request.ts';
import type { MachineRecord } from '../core/admission.ts';
import type { CertificateAnswer } from '../join-contract.ts';

/** What both ways to a certificate work on. */
export interface JoinContext {
  readonly authority: Authority;
  readonly store: JoinStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Runs one after the other what looks at the machines and then changes them. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

export function createJoinContext(parts: Omit<JoinContext, 'inTurn'>): JoinContext {
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...parts,
    inTurn(work) {
      const turn = last.then(work);
      last = turn.catch(() => {});
      return turn;
    },
  };
}

/** Certifies what was found to be in order. The machine's record stands before the certificate leaves. */
export async function certify(
  { authority, store }: JoinContext,
  request: ReadRequest,
  csr: Uint8Array,
  token: MachineRecord['token'],
): Promise<CertificateAnswer & { serial: string }> {
  const { machine, addresses, spki } = request;
  const root: SigningRoot = await authority.signing();
  const { certificate, serial, notAfterMs } = await authority.issue(root, { machine, addresses, spki });
  await store.putMachine({ machine, addresses, token, serial, notAfterMs });
  const answer = { certificate, roots: (await authority.trusted()).map((each) => each.certificate) };
  return { ...answer, signature: signAnswer(authority.cluster, root.key, csr, answer), serial };
}
