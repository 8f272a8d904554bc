import { X509Certificate } from 'node:crypto';
import { CLOCK_SKEW_MS_MAX, ZhongkuiError } from '../contract.ts';
import type { CertificateAnswer } from '../join-contract.ts';
import { fingerprintOf } from './encodings.ts';
import { type MachineCertificate, readMachineCertificate } from './machine-certificate.ts';
import { isAnswerOf } from './proofs.ts';

export interface Asked {
  readonly cluster: string;
  readonly machine: string;
  readonly addresses: readonly string[];
  readonly csr: Uint8Array;
  readonly keyPem: string;
  /** SHA-256 of the roots that were believed before the question. */
  readonly believed: readonly string[];
}

/**
 * Believes an answer for no other reason than that a root which was believed before has signed it, to this very question. Whatever network it came over
 * may have been anybody's. Errors: CertificateRefused.
 */
export function readAnswer(answer: CertificateAnswer, asked: Asked, nowMs: number): MachineCertificate {
  const { cluster, machine, csr, keyPem, believed } = asked;
  let received: MachineCertificate | undefined;
  try {
    const roots = answer.roots.map((pem) => new X509Certificate(pem));
    const leaf = new X509Certificate(answer.certificate);
    const signer = roots.find((root) => believed.includes(fingerprintOf(root.raw)) && isAnswerOf(cluster, root.publicKey, csr, answer));
    if (!signer) throw refused('it is not signed by an authority that this machine has reason to believe');
    if (!leaf.checkIssued(signer) || !leaf.verify(signer.publicKey)) throw refused('its certificate is by somebody else than itself');
    received = readMachineCertificate(answer.certificate + answer.roots.join(''), [keyPem]);
  } catch (error) {
    if (error instanceof ZhongkuiError && error.code === 'CertificateRefused') throw error;
    throw refused('it cannot be read', error);
  }
  if (received.machine !== machine || received.cluster !== cluster) throw refused(`it is for ${received.machine}.${received.cluster}`);
  const lacking = asked.addresses.find((address) => !received.addresses.includes(address));
  if (lacking !== undefined) throw refused(`its certificate is not for ${lacking}`);
  if (nowMs < received.notBeforeMs - CLOCK_SKEW_MS_MAX || nowMs >= received.notAfterMs)
    throw refused("its certificate is not valid by this machine's clock: set the clock right");
  return received;
}

function refused(reason: string, cause?: unknown): ZhongkuiError {
  return new ZhongkuiError('CertificateRefused', `the authority's answer: ${reason}`, { cause });
}
