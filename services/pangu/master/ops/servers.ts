import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import type { ChunkServerState } from '../../master-contract.ts';
import type { MasterContext } from '../context.ts';

export async function servers({ db, chunkServers }: MasterContext): Promise<{ servers: ChunkServerState[]; replicasMax: number }> {
  const [held, files] = await Promise.all([
    rows<{ node: string; replicas: number; bytes: number }>(
      db,
      sql`
        select r.node, count(*)::int as replicas, coalesce(sum(c.length), 0)::bigint as bytes
        from pangu.replicas r join pangu.chunks c on c.id = r.chunk group by r.node`,
    ),
    rows<{ max: number }>(
      db,
      sql`select coalesce(max(replicas), 0)::int as max from pangu.inodes where type = 'file' and deleted_at is null`,
    ),
  ]);
  const ofNode = new Map(held.map((row) => [row.node, row]));
  const up = chunkServers.list();
  const away = held.filter(({ node }) => !chunkServers.get(node));
  const states = [
    ...up.map(({ id, rack, machine = id, freeBytes, totalBytes = 0, disks = [], draining = false }) => ({
      node: id,
      rack,
      machine,
      up: true,
      draining,
      freeBytes,
      totalBytes,
      disks: [...disks],
      ...figuresOf(ofNode.get(id)),
    })),
    ...away.map((row) => ({ ...AWAY, node: row.node, machine: row.node, ...figuresOf(row) })),
  ];
  return { servers: states.sort((a, b) => (a.node < b.node ? -1 : 1)), replicasMax: files[0]!.max };
}

const AWAY = { rack: '', up: false, draining: false, freeBytes: 0, totalBytes: 0, disks: [] };

function figuresOf(row: { replicas: number; bytes: number } | undefined): { replicas: number; bytes: number } {
  return { replicas: row?.replicas ?? 0, bytes: row?.bytes ?? 0 };
}
