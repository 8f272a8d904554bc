import { KuafuError } from '../contract.ts';

/** Where somebody can be called; `nuwa://cluster/service/[instance]` is a name, which a Resolver turns into one of the others. */
export type Address =
  | { scheme: 'tcp'; host: string; port: number }
  /** TCP with TLS 1.3, both sides showing certificates. */
  | { scheme: 'tls'; host: string; port: number }
  /** A socket in the file system, for processes of one machine. The path is absolute. */
  | { scheme: 'unix'; path: string }
  | { scheme: 'mem'; name: string }
  /** `service` addresses (with a final `/`) stand for any instance, others for one. */
  | { scheme: 'nuwa'; cluster: string; service: string; instance?: string };

export function parseAddress(address: string): Address {
  const inet = /^(tcp|tls):\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]]+):(\d{1,5})\/?$/.exec(address);
  if (inet && Number(inet[3]) <= 65535)
    return { scheme: inet[1] as 'tcp' | 'tls', host: inet[2]!.replace(/^\[|\]$/g, ''), port: Number(inet[3]) };
  const unix = /^unix:\/\/(\/[^\0]*[^/\0])$/.exec(address);
  if (unix) return { scheme: 'unix', path: unix[1]! };
  const mem = /^mem:\/\/([^/]+)$/.exec(address);
  if (mem) return { scheme: 'mem', name: mem[1]! };
  const nuwa = /^nuwa:\/\/([^/]+)\/([^/]+)\/([^/]+)?$/.exec(address);
  if (nuwa) return { scheme: 'nuwa', cluster: nuwa[1]!, service: nuwa[2]!, ...(nuwa[3] ? { instance: nuwa[3] } : {}) };
  throw new KuafuError(
    'InvalidRequest',
    `not an address: ${address} (want tcp://host:port, tls://host:port, unix:///path, mem://name or nuwa://cluster/service/[instance])`,
  );
}

/** The address of a transport's own scheme, or an error that says so. */
export function addressOf<S extends Address['scheme']>(scheme: S, address: string): Extract<Address, { scheme: S }> {
  const parsed = parseAddress(address);
  if (parsed.scheme !== scheme) throw new KuafuError('InvalidRequest', `not a ${scheme}:// address: ${address}`);
  return parsed as Extract<Address, { scheme: S }>;
}

export function formatAddress(scheme: 'tcp' | 'tls', host: string, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
