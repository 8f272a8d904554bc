import { hasCode, messageOf } from '../../base/errors.ts';
import { KuafuError, type Resolver } from '../contract.ts';

/** The instances of a `nuwa://` address, at least one. Errors: Unavailable; PermissionDenied and Unauthenticated, as who may not know them is told that, not that nobody is there. */
export async function resolveAll(resolver: Resolver, address: string, signal: AbortSignal | undefined): Promise<string[]> {
  let addresses: string[];
  try {
    addresses = await resolver.resolve(address, signal);
  } catch (error) {
    const refusal = (['PermissionDenied', 'Unauthenticated'] as const).find((code) => hasCode(error, code));
    throw new KuafuError(refusal ?? 'Unavailable', `${address} cannot be resolved: ${messageOf(error)}`, { cause: error });
  }
  if (addresses.length === 0) throw new KuafuError('Unavailable', `no instance of ${address} is registered`);
  return addresses;
}
