import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where everything of a local cluster lies. All of it below one directory, so that removing that directory forgets the cluster. */
export interface Layout {
  readonly dir: string;
  /** The contract: what other programs read. There as long as the cluster is up. */
  readonly clusterFile: string;
  /** The launcher's own notes, for whoever has to clean up after it. */
  readonly recordFile: string;
  /** Held by the one launcher of this directory. */
  readonly lockFile: string;
  readonly controlSocket: string;
  /** Which nodes there are, once nodes came or left: then this counts, not what `up` is told. */
  readonly nodesFile: string;
  /** Which Nuwa servers there are, and their ports: for as long as the directory is there. */
  readonly nuwaFile: string;
  /** This machine's certificate and key, where the cluster speaks TLS. */
  readonly machine: { readonly certificateFile: string; readonly keyFile: string };
  readonly logs: string;
  readonly keys: string;
  readonly adminKey: string;
  /** Of the token that Prometheus, Alertmanager and people show when they ask by HTTP. */
  readonly httpTokenFile: string;
  logOf(role: string, node?: string): string;
  /** All that one node keeps. */
  nodeDirectory(node: string): string;
  dataOf(role: string, node?: string): string;
  /** Of a node's chunk server: so many, or one below each of the directories. */
  disksOf(node: string, disks: number | readonly string[]): string[];
  /** Of one server of the group. */
  dataOfNuwa(server: string): string;
}

export const DIR_DEFAULT = '.feitian';

export function clusterDirectory(given: string | undefined, env: Readonly<Record<string, string | undefined>> = process.env): string {
  return resolve(given ?? (env.FEITIAN_DIR || DIR_DEFAULT));
}

export function layoutOf(directory: string): Layout {
  const dir = resolve(directory);
  const keys = join(dir, 'keys');
  const logs = join(dir, 'logs');
  return {
    dir,
    clusterFile: join(dir, 'cluster.json'),
    recordFile: join(dir, 'launcher.json'),
    lockFile: join(dir, 'launcher.lock'),
    controlSocket: socketPath(dir),
    nodesFile: join(dir, 'nodes.json'),
    nuwaFile: join(dir, 'nuwa.json'),
    machine: { certificateFile: join(dir, 'machine', 'machine.crt'), keyFile: join(dir, 'machine', 'machine.key') },
    logs,
    keys,
    adminKey: join(keys, 'admin.pem'),
    httpTokenFile: join(keys, 'http-token'),
    logOf: (role, node) => join(logs, `${node ? `${role}-${node}` : role}.log`),
    nodeDirectory: (node) => join(dir, 'nodes', node),
    dataOf: (role, node) => (node ? join(dir, 'nodes', node, role) : join(dir, role)),
    disksOf: (node, disks) =>
      typeof disks === 'number'
        ? Array.from({ length: disks }, (_, i) => join(dir, 'nodes', node, 'pangu-chunk', `disk-${i + 1}`))
        : disks.map((disk) => join(resolve(disk), node)),
    dataOfNuwa: (server) => join(dir, 'nuwa', server),
  };
}

/** The path of a unix socket must fit into 104 bytes on macOS and 108 on Linux, with its closing zero. */
function socketPath(dir: string): string {
  const path = join(dir, 'control.sock');
  if (Buffer.byteLength(path) < 104) return path;
  return join(tmpdir(), `feitian-${createHash('sha256').update(dir).digest('hex').slice(0, 16)}.sock`);
}
