import { KuafuError } from '../contract.ts';
import { parseAddress } from '../core/address.ts';
import type { Transport } from '../transport.ts';
import { processNetwork } from './memory.ts';
import { tcpTransport } from './tcp.ts';

/** Which transport carries which scheme. */
export interface Transports {
  tcp?: Transport;
  mem?: Transport;
}

const DEFAULTS: Required<Transports> = { tcp: tcpTransport, mem: processNetwork.transport() };

export function transportOf(address: string, transports: Transports = {}): Transport {
  const { scheme } = parseAddress(address);
  if (scheme === 'nuwa') throw new KuafuError('InvalidRequest', `${address} must be resolved before it can be connected to`);
  return transports[scheme] ?? DEFAULTS[scheme];
}
