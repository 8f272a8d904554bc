import { KuafuError } from '../contract.ts';

/** `tcp://host:port`, `mem://name`, and `nuwa://cluster/service/[instance]`, which a Resolver turns into one of the others. */
export type Address =
  | { scheme: 'tcp'; host: string; port: number }
  | { scheme: 'mem'; name: string }
  /** `service` addresses (with a final `/`) stand for any instance, others for one. */
  | { scheme: 'nuwa'; cluster: string; service: string; instance?: string };

export function parseAddress(address: string): Address {
  const tcp = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]]+):(\d{1,5})\/?$/.exec(address);
  if (tcp && Number(tcp[2]) <= 65535) return { scheme: 'tcp', host: tcp[1]!.replace(/^\[|\]$/g, ''), port: Number(tcp[2]) };
  const mem = /^mem:\/\/([^/]+)$/.exec(address);
  if (mem) return { scheme: 'mem', name: mem[1]! };
  const nuwa = /^nuwa:\/\/([^/]+)\/([^/]+)\/([^/]+)?$/.exec(address);
  if (nuwa) return { scheme: 'nuwa', cluster: nuwa[1]!, service: nuwa[2]!, ...(nuwa[3] ? { instance: nuwa[3] } : {}) };
  throw new KuafuError(
    'InvalidRequest',
    `not an address: ${address} (want tcp://host:port, mem://name or nuwa://cluster/service/[instance])`,
  );
}

export function formatTcpAddress(host: string, port: number): string {
  return `tcp://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
