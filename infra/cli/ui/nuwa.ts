/** How the verbs of `feitian nuwa` reach a group: that of the local cluster, or any other by the addresses of its servers. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { hasCode, messageOf } from '../../../services/base/errors.ts';
import { silentLogger } from '../../../services/base/log.ts';
import type { KuafuClient } from '../../../services/kuafu/contract.ts';
import type { Identity } from '../../../services/kuafu/guard-contract.ts';
import type { NuwaClient } from '../../../services/nuwa/contract.ts';
import type { ClusterInfo } from '../../cluster/cluster-file.ts';
import { UsageError } from './action.ts';
import { clusterIn } from './cluster.ts';
import { commandIdentity } from './identity.ts';
import { commandCertificate } from './machine-tls.ts';
import { type VerbOptions, verb } from './verb.ts';

export interface NuwaOptions extends VerbOptions {
  nuwa?: string;
}

/** One verb that speaks with a group. */
export function nuwaVerb(parent: Command, usage: string, description: string, ...examples: string[]): Command {
  return verb(parent, usage, description, ...examples).option(
    '--nuwa <host:port,…>',
    'servers of another group than that of the local cluster',
  );
}

export interface Group {
  /** The cluster's name. */
  cluster: string;
  /** `tcp://host:port` or `tls://host:port` each. */
  addresses: string[];
  /** Whom to speak for. */
  identity: Identity | undefined;
}

export async function groupOf({ dir, nuwa }: NuwaOptions): Promise<Group> {
  if (nuwa === undefined) {
    const known = await clusterIn(dir);
    return {
      cluster: known.name,
      addresses: known.nuwa.kuafu.map((address) => asAddress(address)),
      identity: await commandIdentity(known),
    };
  }
  const given = nuwa.split(',').filter((part) => part.trim() !== '');
  const wrong = given.find((part) => !/^((tcp|tls):\/\/)?[^/\s]+:\d{1,5}$/.test(part.trim()));
  if (given.length === 0 || wrong !== undefined) throw new UsageError(`--nuwa ${nuwa} is not a list of host:port with commas between`);
  const own = await clusterIn(dir).catch(() => undefined);
  return {
    cluster: process.env.FEITIAN_CLUSTER || own?.name || 'local',
    addresses: given.map((part) => asAddress(part.trim(), schemeOf(own))),
    identity: await commandIdentity(own),
  };
}

export const asAddress = (text: string, scheme: 'tcp' | 'tls' = 'tcp'): string => (text.includes('://') ? text : `${scheme}://${text}`);

/** What an address without a scheme means to whoever has a certificate. */
export const schemeOf = (cluster: Pick<ClusterInfo, 'tls'> | undefined): 'tcp' | 'tls' => (commandCertificate(cluster) ? 'tls' : 'tcp');

/** A group that has a leader answers at once; one that is electing, within seconds. */
const CONNECT_MS_MAX = 10_000;
/** Then it is said what is waited for. */
const PATIENCE_MS = 2_000;

/** Runs `use` with a client of the group, and ends its session afterwards. */
export async function withNuwa<T>(
  options: NuwaOptions,
  use: (nuwa: NuwaClient) => Promise<T>,
  session: { ttlMs?: number } = {},
): Promise<T> {
  const { cluster, addresses, identity } = await groupOf(options);
  const { connectNuwa } = await import('../../../services/nuwa/client.ts');
  const tell = setTimeout(() => process.stderr.write(`feitian: waiting for Nuwa at ${addresses.join(', ')} …\n`), PATIENCE_MS);
  const connecting = connectNuwa({
    addresses,
    cluster,
    creator: 'feitian',
    identity,
    timeoutMs: CONNECT_MS_MAX,
    log: silentLogger,
    ...(session.ttlMs === undefined ? {} : { ttlMs: session.ttlMs }),
  });
  try {
    const nuwa = await connecting.finally(() => clearTimeout(tell));
    try {
      return await use(nuwa);
    } finally {
      await nuwa.close();
    }
  } catch (error) {
    throw withHint(error, options);
  }
}

/** What runs of the local cluster says nothing of a group elsewhere. */
function withHint(error: unknown, { nuwa }: NuwaOptions): unknown {
  if (nuwa === undefined || !hasCode(error, 'Unavailable', 'DeadlineExceeded')) return error;
  return new Error(`${messageOf(error)} (see which of its servers answer with: feitian nuwa status --nuwa ${nuwa})`, { cause: error });
}

/** Runs `use` with a way to call the servers one by one. */
export async function withServers<T>(options: NuwaOptions, use: (kuafu: KuafuClient, addresses: string[]) => Promise<T>): Promise<T> {
  const { addresses, identity } = await groupOf(options);
  return await callingServers(identity, (kuafu) => use(kuafu, addresses));
}

export async function callingServers<T>(identity: Identity | undefined, use: (kuafu: KuafuClient) => Promise<T>): Promise<T> {
  const { createKuafuClient } = await import('../../../services/kuafu/client.ts');
  const kuafu = createKuafuClient({ identity, log: silentLogger });
  try {
    return await use(kuafu);
  } finally {
    await kuafu.close();
  }
}

/** `ls` shows a node that has children as `a/`, so `/a/` is `/a`. Anything else that is no path is for the servers to refuse. */
export const nodePath = (path: string): string => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path);

/** What a node is to hold: given as an argument, `-` for standard input, or in a file. */
export async function readValue(value: string | undefined, file: string | undefined): Promise<Uint8Array | undefined> {
  if (value !== undefined && file !== undefined) throw new UsageError('give the value, or --file, not both');
  if (file !== undefined) {
    return await readFile(file).catch((error: NodeJS.ErrnoException) => {
      throw new Error(`${file} ${error.code === 'ENOENT' ? 'is not there' : `cannot be read: ${error.message}`}`, { cause: error });
    });
  }
  if (value !== '-') return value === undefined ? undefined : Buffer.from(value);
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(Buffer.from(piece as Uint8Array));
  return Buffer.concat(pieces);
}

/** A value as JSON if it is JSON, else as text if it is text, else in base 64. */
export function valueAsJson(value: Uint8Array): { value: unknown } | { base64: string } {
  const text = asText(value);
  if (text === undefined) return { base64: Buffer.from(value).toString('base64') };
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { value: text };
  }
}

/** Undefined when it is no text. */
export function asText(value: Uint8Array): string | undefined {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}

/** Milliseconds of a duration that was given. */
export function durationMs(text: string, option: string, parse: (text: string) => number | undefined): number {
  const ms = parse(text);
  if (ms === undefined || ms <= 0) throw new UsageError(`${option} ${text} is not a time such as 500ms, 10s or 2m`);
  return ms;
}
