/**
 * The Nuwa servers of a local cluster: which there are, and where each answers.
 *
 * Who is in a group, and at which address, stands in the group's log (Ongaro, section 4.1). So both are chosen at the first `up`, written down in
 * the cluster's directory and kept. A server whose port somebody else has by now moves: it tells the group, which takes note as long as most
 * of it is where it was.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ClusterError } from '../errors.ts';
import { writePrivateFile } from './private-file.ts';

const port = z.number().int().min(1).max(65_535);
const serversSchema = z.array(z.object({ id: z.string(), port, zookeeperPort: port })).min(1);

/** One server; the ports are of 127.0.0.1. */
export interface NuwaServer {
  /** Its name in the group. */
  id: string;
  port: number;
  zookeeperPort: number;
}

/** Undefined where the cluster was never up. */
export async function readNuwaServers(path: string): Promise<NuwaServer[] | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : serversSchema.parse(JSON.parse(text));
}

export function writeNuwaServers(path: string, servers: readonly NuwaServer[]): void {
  writePrivateFile(path, `${JSON.stringify(servers, undefined, 2)}\n`);
}

export interface WantedServers {
  /** @default NUWA_SERVERS_DEFAULT */
  count?: number;
  /** Of the first server, if it is not to be any free one. */
  port?: number;
  zookeeperPort?: number;
}

/** As many as outlive the loss of one. */
const NUWA_SERVERS_DEFAULT = 3;

/** A free port, or the one that is wanted. Errors: StartFailed. */
type PortFor = (wanted: number | undefined, what: string) => Promise<number>;

/** A group that never was: `nuwa-1` and on. */
export async function newNuwaServers(wanted: WantedServers, portFor: PortFor): Promise<NuwaServer[]> {
  const servers: NuwaServer[] = [];
  for (let index = 0; index < (wanted.count ?? NUWA_SERVERS_DEFAULT); index++) {
    const first = index === 0;
    servers.push({
      id: `nuwa-${index + 1}`,
      port: await portFor(first ? wanted.port : undefined, 'Nuwa'),
      zookeeperPort: await portFor(first ? wanted.zookeeperPort : undefined, "Nuwa's ZooKeeper door"),
    });
  }
  return servers;
}

/** Those of before, at their ports where these can be had. Errors: StartFailed when too many would have to move for the group to hear of it. */
export async function settledNuwaServers(
  known: readonly NuwaServer[],
  wanted: WantedServers,
  portFor: PortFor,
  free: (port: number) => Promise<boolean>,
): Promise<NuwaServer[]> {
  const settle = async (port: number, wish: number | undefined, what: string): Promise<number> => {
    if (wish !== undefined && wish !== port) return await portFor(wish, what);
    return (await free(port)) ? port : await portFor(undefined, what);
  };
  const settled: NuwaServer[] = [];
  for (const [index, { id, port, zookeeperPort }] of known.entries()) {
    const wish: WantedServers = index === 0 ? wanted : {};
    settled.push({
      id,
      port: await settle(port, wish.port, id),
      zookeeperPort: await settle(zookeeperPort, wish.zookeeperPort, `${id}'s ZooKeeper door`),
    });
  }
  const moved = known.filter(({ port }, index) => settled[index]!.port !== port);
  // One that is alone has nobody to tell.
  if (known.length > 1 && moved.length * 2 >= known.length) {
    const where = moved.map(({ id, port }) => `${port} (${id})`).join(', ');
    throw new ClusterError(
      'StartFailed',
      `most of Nuwa's servers would have to move, and could not find each other: free the ports ${where}`,
    );
  }
  return settled;
}

/** As FEITIAN_NUWA_MEMBERS has it. */
export function membersText(servers: readonly NuwaServer[], scheme: 'tcp' | 'tls'): string {
  return servers.map(({ id, port }) => `${id}=${scheme}://127.0.0.1:${port}`).join(',');
}
