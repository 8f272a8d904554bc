import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import { SETTLED } from '../chunks.ts';
import { noteInLedger } from '../ledger.ts';
import { dropLost } from '../ops/report-replicas.ts';
import type { ControlContext } from './context.ts';
import { assertControl } from './fence.ts';

/**
 * Compares what lies on the disks with what the tables say, server by server.
 *
 * A file that no row of `replicas`, `copies` or `garbage` names is an orphan: rows are written before files are made and go after them (tables.ts, invariant 7),
 * so it was made by a request that came late, or is of a time that the tables do not know. It is removed once it was seen as one for the grace; and the
 * tables are asked again in the transaction that says so. A sealed replica whose file is not there is lost; its server is asked once more.
 */
const PAGE = 2_000;
const LIST_TIMEOUT_MS = 60_000;
const CHUNK_ID = /^[0-9a-z-]{1,64}$/;

/** Since when a file was seen as an orphan, by `<node>/<chunk>`, in monotonic ms. */
export type Suspects = Map<string, number>;

export async function sweep(control: ControlContext, suspects: Suspects): Promise<{ orphans: number; lost: number }> {
  const total = { orphans: 0, lost: 0 };
  const seen = new Set<string>();
  for (const { id: node } of control.chunkServers.list()) {
    try {
      const swept = await sweepServer(control, node, suspects, seen);
      total.orphans += swept.orphans;
      total.lost += swept.lost;
    } catch (error) {
      control.ending.throwIfAborted();
      control.log.warn({ node, error: messageOf(error) }, 'sweep.failed');
    }
  }
  for (const suspect of suspects.keys()) if (!seen.has(suspect)) suspects.delete(suspect);
  return total;
}

async function sweepServer(
  control: ControlContext,
  node: string,
  suspects: Suspects,
  seen: Set<string>,
): Promise<{ orphans: number; lost: number }> {
  const { db, chunkServers, chunkServerAt, ending } = control;
  const { orphanGraceMs } = await control.healing();
  let orphans = 0;
  let lost = 0;
  for (let after = '', more = true; more; ) {
    ending.throwIfAborted();
    const server = chunkServers.get(node);
    if (!server) break;
    const page = await chunkServerAt(server.address).list({ node, after, limit: PAGE }, { timeoutMs: LIST_TIMEOUT_MS });
    more = page.more && page.chunks.length > 0;
    const files = page.chunks.filter((name) => CHUNK_ID.test(name));
    const until = more ? page.chunks.at(-1)! : undefined;
    const { named, sealed } = await readRows(control, node, { files, after, until });

    const nowMs = performance.now();
    const old: string[] = [];
    for (const chunk of files) {
      if (named.has(chunk)) continue;
      const suspect = `${node}/${chunk}`;
      seen.add(suspect);
      if (!suspects.has(suspect)) suspects.set(suspect, nowMs);
      if (nowMs - suspects.get(suspect)! >= orphanGraceMs) old.push(chunk);
    }
    if (old.length > 0) orphans += await inTransaction(db, (tx) => collectOrphans(tx, control.holder, node, old));
    const here = new Set(page.chunks);
    for (const chunk of sealed) if (!here.has(chunk) && (await dropLost(control, chunk, node))) lost++;
    after = until ?? '';
  }
  return { orphans, lost };
}

/** `named`: those of the files that a row names; `sealed`: replicas that must have a file in the same range of ids. */
async function readRows(
  { db }: ControlContext,
  node: string,
  { files, after, until }: { files: readonly string[]; after: string; until: string | undefined },
): Promise<{ named: Set<string>; sealed: string[] }> {
  const named = await rows<{ chunk: string }>(
    db,
    sql`
      with file as (select jsonb_array_elements_text(${JSON.stringify(files)}::jsonb) as chunk)
      select chunk from file where exists (select from pangu.replicas r where r.node = ${node} and r.chunk = file.chunk)
        or exists (select from pangu.copies x where x.node = ${node} and x.chunk = file.chunk)
        or exists (select from pangu.garbage g where g.node = ${node} and g.chunk = file.chunk)`,
  );
  const sealed = await rows<{ chunk: string }>(
    db,
    sql`
      select r.chunk from pangu.replicas r join pangu.chunks c on c.id = r.chunk join pangu.inodes i on i.id = c.file
      where r.node = ${node} and r.chunk > ${after} and (${until ?? null}::text is null or r.chunk <= ${until ?? null}::text)
        and ${SETTLED} and c.length > 0`,
  );
  return { named: new Set(named.map(({ chunk }) => chunk)), sealed: sealed.map(({ chunk }) => chunk) };
}

async function collectOrphans(
  tx: Parameters<typeof noteInLedger>[0],
  holder: string,
  node: string,
  chunks: readonly string[],
): Promise<number> {
  await assertControl(tx, holder);
  const collected = await rows<{ chunk: string }>(
    tx,
    sql`
      with file as (select jsonb_array_elements_text(${JSON.stringify(chunks)}::jsonb) as chunk)
      insert into pangu.garbage (chunk, node)
      select chunk, ${node} from file
      where not exists (select from pangu.replicas r where r.node = ${node} and r.chunk = file.chunk)
        and not exists (select from pangu.copies x where x.node = ${node} and x.chunk = file.chunk)
      on conflict do nothing returning chunk`,
  );
  await noteInLedger(
    tx,
    collected.map(({ chunk }) => ({ kind: 'fileOrphaned', chunk, node, cause: 'no row named it' })),
  );
  return collected.length;
}
