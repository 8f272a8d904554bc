import { X509Certificate } from 'node:crypto';
import type { TlsMaterial } from '../../kuafu/tls-contract.ts';
import { CLOCK_SKEW_MS_MAX } from '../contract.ts';
import type { JoinToken } from '../core/join-token.ts';
import { fingerprintOf } from './encodings.ts';

/**
 * TLS for a machine that has no certificate yet, and knows the authority by the digests in its join token: who is called shows its whole chain, and the end of it must be one
 * of these. Which machine of the cluster answers does not matter: what it says is believed by a signature of the authority's own (answer.ts). So this adds that nobody on
 * the way sees who joins, and that a cluster which speaks TLS answers nobody in plain.
 */
export function pinnedTls({ cluster, roots }: Pick<JoinToken, 'cluster' | 'roots'>, nowMs: () => number): TlsMaterial {
  return {
    clientOptions: () => ({ ca: [], checkServerIdentity: () => undefined }),
    serverOptions: () => ({}),
    onRenewed: () => () => {},
    problemOf(chain) {
      const [leaf, root, ...more] = chain.map((der) => new X509Certificate(der));
      if (!leaf || !root || more.length > 0 || !roots.includes(fingerprintOf(root.raw)))
        return `is not of the authority that the join token names, that of ${cluster}: either the token is another cluster's, or somebody is in between`;
      if (leaf.ca || !leaf.checkIssued(root) || !leaf.verify(root.publicKey)) return 'is not by the authority that it shows';
      const now = nowMs();
      if (now < Date.parse(leaf.validFrom) - CLOCK_SKEW_MS_MAX) return "is not valid yet, by this machine's clock";
      if (now >= Date.parse(leaf.validTo) + CLOCK_SKEW_MS_MAX) return "has expired, by this machine's clock";
      return undefined;
    },
  };
}
