import { X509Certificate } from 'node:crypto';
import { issuerOf } from '../certificates/authority.ts';
import { isP256 } from '../certificates/encodings.ts';
import { subjectOf } from '../certificates/machine-certificate.ts';
import { provesRenewal } from '../certificates/proofs.ts';
import { readRequest } from '../certificates/request.ts';
import { CLOCK_SKEW_MS_MAX, ZhongkuiError } from '../contract.ts';
import { renewalProblem } from '../core/admission.ts';
import type { CertificateAnswer, RenewRequest } from '../join-contract.ts';
import { certify, type JoinContext } from './join-context.ts';

/** The next certificate of a machine that has one, for its next key: proven by the present one, which must not have expired. */
export function renew(context: JoinContext) {
  return async (request: RenewRequest): Promise<CertificateAnswer> => {
    const { authority, store, clock, log } = context;
    const { cluster } = authority;
    const certificate = readCertificate(request.certificate);
    if (!issuerOf(certificate, await authority.trusted(), clock.nowMs(), CLOCK_SKEW_MS_MAX))
      throw refused('it is not by this authority, or has expired: join again with a token');
    const current = subjectOf(certificate, cluster);
    if (!current) throw refused(`it is not for a machine of ${cluster}`);
    if (!isP256(certificate.publicKey) || !provesRenewal(cluster, certificate.publicKey, request))
      throw refused('the request is not signed by its key');
    return await context.inTurn(async () => {
      const requested = await readRequest(request.csr, cluster);
      const known = (await store.machines()).find(({ machine }) => machine === current.machine);
      const problem = renewalProblem(current, requested, known);
      if (problem) {
        log.warn({ machine: current.machine, reason: problem }, 'renewal.refused');
        throw refused(problem);
      }
      const { serial, ...answer } = await certify(context, requested, request.csr, known?.token ?? '');
      log.info({ machine: current.machine, serial }, 'certificate.renewed');
      return answer;
    });
  };
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new ZhongkuiError('CertificateRefused', 'the present certificate cannot be read', { cause: error });
  }
}

function refused(reason: string): ZhongkuiError {
  return new ZhongkuiError('CertificateRefused', `the certificate cannot be renewed: ${reason}`);
}
