/**
 * A machine has one name, `<machine>.<cluster>`, both single labels: lower-case letters, digits and dashes, neither first nor last a dash. Nothing else
 * is ever certified as a name, so wildcards, other clusters and names that look alike in other scripts have no way in.
 */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function isLabel(text: string): boolean {
  return LABEL.test(text);
}

export function machineNameOf(machine: string, cluster: string): string {
  return `${machine}.${cluster}`;
}

/** The machine that a name stands for; undefined where it is none of this cluster's. */
export function machineIn(name: string, cluster: string): string | undefined {
  const machine = name.endsWith(`.${cluster}`) ? name.slice(0, -cluster.length - 1) : '';
  return isLabel(machine) ? machine : undefined;
}

/** The name by which a host is looked for in certificates: a machine may be called without its cluster. */
export function certifiedNameOf(host: string, cluster: string): string {
  return isLabel(host) && !/^\d+$/.test(host) ? machineNameOf(host, cluster) : host;
}

/** An address of every machine, which says nothing about which one. Canonical form, as `node:net` writes it. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address);
}

/** Why nobody can have this address, if so: those of none, of groups, and IPv4 written as IPv6, which would be one address with two names. */
export function addressProblem(address: string): string | undefined {
  if (address === '0.0.0.0' || address === '::') return 'is the address of no machine';
  if (address === '255.255.255.255' || /^ff/i.test(address)) return 'is the address of many machines';
  const first = /^(\d+)\./.exec(address)?.[1];
  if (first !== undefined && Number(first) >= 224) return 'is the address of many machines';
  // Among those that begin with zeros only loopback is any machine's own: the others are IPv4 addresses written as IPv6.
  if (/^(::|0:)/.test(address) && address !== '::1') return 'is an IPv4 address written as IPv6';
  return undefined;
}
