import { parseAddress } from './address.ts';

/**
 * Which way a channel goes, and which ones a proxy opens for others: decided by the host of the address as it is written, since names that resolve
 * differently on two machines would otherwise be checked here and used there.
 */
export interface RemoteProxy {
  /** The machine, as it is registered. */
  machine: string;
  /** Where its proxy answers other proxies. */
  address: string;
  /** The hosts under which processes of that machine are called. */
  hosts: readonly string[];
}

export type Route =
  /** To a process of this machine, or of one that has no proxy: one connection for this channel. */
  { kind: 'direct'; host: string; port: number } | { kind: 'proxy'; machine: string; address: string; host: string; port: number };

export interface Place {
  scheme: 'tcp' | 'tls';
  host: string;
  port: number;
}

/** Or in one sentence why no proxy carries it. Throws KuafuError InvalidRequest: it is no address. */
export function parsePlace(address: string): Place | string {
  const parsed = parseAddress(address);
  if (parsed.scheme !== 'tcp' && parsed.scheme !== 'tls') return `a proxy carries tcp:// and tls://, not ${address}`;
  return { scheme: parsed.scheme, host: hostOf(parsed.host), port: parsed.port };
}

/** Hosts are names or numbers; case and a final dot make no difference. */
export function hostOf(text: string): string {
  return text.trim().toLowerCase().replace(/\.$/, '');
}

/** All that is known of other machines, by host. A host that two proxies claim is neither's: it is called directly. */
export function byHost(proxies: Iterable<RemoteProxy>): ReadonlyMap<string, RemoteProxy> {
  const found = new Map<string, RemoteProxy | undefined>();
  for (const proxy of proxies) for (const host of new Set(proxy.hosts.map(hostOf))) found.set(host, found.has(host) ? undefined : proxy);
  return new Map([...found].filter((entry): entry is [string, RemoteProxy] => entry[1] !== undefined));
}

export function routeOf({ host, port }: Place, own: ReadonlySet<string>, others: ReadonlyMap<string, RemoteProxy>): Route {
  const proxy = own.has(host) ? undefined : others.get(host);
  return proxy ? { kind: 'proxy', machine: proxy.machine, address: proxy.address, host, port } : { kind: 'direct', host, port };
}

/** Inclusive. */
export interface PortRange {
  from: number;
  to: number;
}

/** Why this proxy does not open the address for another machine, or undefined: it opens what is its own, and what it was told to. */
export function targetProblem({ host, port }: Place, own: ReadonlySet<string>, ports: readonly PortRange[]): string | undefined {
  if (!own.has(host)) return `${host} is not this machine`;
  if (port === 0) return 'no process listens at port 0';
  return ports.some(({ from, to }) => from <= port && port <= to) ? undefined : `port ${port} is not open to other machines`;
}

/** `7000-7999,9000`; undefined for what is no such list. */
export function parsePorts(text: string): PortRange[] | undefined {
  const ranges: PortRange[] = [];
  for (const part of text.split(',')) {
    const [, first, last = first] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    const range = { from: Number(first), to: Number(last) };
    if (first === undefined || range.from > range.to || range.to > 65_535) return undefined;
    ranges.push(range);
  }
  return ranges;
}
