import { KuafuError } from '../contract.ts';
import { parseAddress } from '../core/address.ts';
import type { TlsMaterial } from '../tls-contract.ts';
import type { Transport } from '../transport.ts';
import { processNetwork } from './memory.ts';
import { tcpTransport } from './tcp.ts';
import { tlsTransport } from './tls.ts';
import { unixTransport } from './unix.ts';

/** Which transport carries which scheme. */
export interface Transports {
  tcp?: Transport;
  tls?: Transport;
  unix?: Transport;
  mem?: Transport;
}

/** Of this process, for clients and servers that were given none of their own: a process is on one machine, and has that machine's certificate. Undefined: it has none (any more). */
export function useMachineTls(tls: TlsMaterial | undefined): void {
  ofMachine = tls;
  DEFAULTS.tls = tls && tlsTransport(tls);
}

let ofMachine: TlsMaterial | undefined;

export function machineTls(): TlsMaterial | undefined {
  return ofMachine;
}

const DEFAULTS: Transports = { tcp: tcpTransport, unix: unixTransport, mem: processNetwork.transport() };

/** The transports of one client or server: those given, with TLS made of its certificates. */
export function transportsWith(tls: TlsMaterial | undefined, transports: Transports = {}, strangers = false): Transports {
  const material = tls ?? ofMachine;
  if (strangers && material && !transports.tls) return { ...transports, tls: tlsTransport(material, { strangers }) };
  return tls && !transports.tls ? { ...transports, tls: tlsTransport(tls) } : transports;
}

export function transportOf(address: string, transports: Transports = {}): Transport {
  const { scheme } = parseAddress(address);
  if (scheme === 'nuwa') throw new KuafuError('InvalidRequest', `${address} must be resolved before it can be connected to`);
  const transport = transports[scheme] ?? DEFAULTS[scheme];
  if (!transport) throw new KuafuError('InvalidRequest', `${address} needs certificates, and here are none`);
  return transport;
}
