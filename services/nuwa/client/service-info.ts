import { messageOf } from '../../base/errors.ts';
import { parseAddress } from '../../kuafu/client.ts';
import { NuwaError, type ServiceInfo, serviceInfoSchema } from '../contract.ts';

/** What an instance tells about itself, as the value of its node: where Kuafu calls it, or where it speaks HTTP. Errors: BadArguments, before anybody is sent to an address that is none. */
export function encodeServiceInfo(info: ServiceInfo): Uint8Array {
  const { success, data, error } = serviceInfoSchema.safeParse(info);
  if (!success) throw new NuwaError('BadArguments', `what an instance tells about itself: ${messageOf(error)}`, { cause: error });
  if (!/^https?:\/\/[^/]+/.test(data.address)) assertCallable(data.address);
  return new TextEncoder().encode(JSON.stringify(data));
}

/** The address in a node's value, which may have been written by anybody. Errors: why it is none that can be called. */
export function decodeServiceAddress(value: Uint8Array): string {
  const { address } = serviceInfoSchema.parse(JSON.parse(new TextDecoder().decode(value)));
  assertCallable(address);
  return address;
}

/** A name would have to be looked up in its turn. */
function assertCallable(address: string): void {
  let reason = 'a name, not an address';
  try {
    if (parseAddress(address).scheme !== 'nuwa') return;
  } catch (error) {
    reason = messageOf(error);
  }
  throw new NuwaError('BadArguments', `${address} cannot be called: ${reason}`);
}
