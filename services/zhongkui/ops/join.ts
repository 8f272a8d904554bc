import { provesJoin } from '../certificates/proofs.ts';
import { readRequest } from '../certificates/request.ts';
import { ZhongkuiError } from '../contract.ts';
import { placeProblem, tokenProblem } from '../core/admission.ts';
import { isTokenId } from '../core/join-token.ts';
import type { CertificateAnswer, JoinRequest } from '../join-contract.ts';
import { certify, type JoinContext } from './join-context.ts';

/**
 * A new machine's first certificate, for a token. What is cheap and what proves that the asker holds a token comes first; the token is claimed, durably, when
 * nothing can be refused any more, and before the certificate is made: a crash in between costs nothing, for the same key may ask again.
 */
export function join(context: JoinContext) {
  return async (request: JoinRequest): Promise<CertificateAnswer> => {
    const { authority, store, clock, log } = context;
    const { token: id, csr } = request;
    const token = isTokenId(id) ? await store.find(id) : undefined;
    // Whoever has no token's secret learns nothing about which tokens there are.
    if (!token || !provesJoin(authority.cluster, token.key, request)) {
      log.warn({ token: isTokenId(id) ? id : undefined, known: token !== undefined }, 'join.refused');
      throw refused('the token is not known here');
    }
    try {
      return await context.inTurn(async () => {
        const requested = await readRequest(csr, authority.cluster);
        const nowMs = clock.nowMs();
        const known = await store.useOf(id);
        const unfit = tokenProblem(token, known, requested, nowMs);
        if (unfit) throw refused(unfit, known !== undefined);
        const problem = placeProblem(token, requested, await store.machines(), nowMs);
        if (problem) throw refused(problem);
        // Another process over the same files may have been faster.
        const use = await store.claim(id, { key: requested.key, machine: requested.machine, atMs: nowMs });
        const late = tokenProblem(token, use, requested, nowMs);
        if (late) throw refused(late, true);
        const { serial, ...answer } = await certify(context, requested, csr, id);
        log.info({ machine: requested.machine, addresses: requested.addresses, token: id, serial }, 'machine.joined');
        return answer;
      });
    } catch (error) {
      if (error instanceof ZhongkuiError) log.warn({ token: id, reason: error.reason }, 'join.refused');
      throw error;
    }
  };
}

/** `used`: by whoever it was, so that a machine which was let in by it may know what to say. */
function refused(reason: string, used = false): ZhongkuiError {
  const told = `${reason}: make a new one on the authority's machine with "feitian key join-token"`;
  return new ZhongkuiError('JoinRefused', told, used ? { details: { used } } : undefined);
}
