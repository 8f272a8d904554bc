import { type SQL, sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { hasCode, messageOf } from '../../../base/errors.ts';
import { type Finding, type FsckChunk, type FsckFile, judgeChunk, judgeFile } from '../../core/fsck.ts';
import { ROOT_ID } from '../../core/states.ts';
import type { FsckPage, FsckProblem } from '../../healing-contract.ts';
import { SETTLED } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { isDamaged } from '../damaged-chunks.ts';
import { deadNodes } from '../dead-nodes.ts';
import { find } from '../inodes.ts';

/**
 * Looks for what is wrong, page by page, and changes nothing. A page is one moment of the tables; what changes between two pages may be seen as it was or
 * as it is. With `verify` a page ends early, so that a call takes seconds however long the chunks are.
 */
const VERIFY_BYTES_MAX = 256 * 1024 * 1024;
const VERIFY_AT_ONCE = 4;
const VERIFY_TIMEOUT_MS = 30_000;
/** In Nuwa: one ephemeral node for each client that writes. */
const WRITERS_PATH = '/pangu/writers';

export async function fsckFiles(context: MasterContext, request: { path: string; after?: string; limit: number }): Promise<FsckPage> {
  const { after = '', limit } = request;
  const found = await rows<FsckFile & { id: string }>(
    context.db,
    sql`
      with page as (
        select i.* from pangu.inodes i
        where i.type = 'file' and i.deleted_at is null and i.id > ${after} and ${await below(context, request.path)} order by i.id limit ${limit + 1}
      )
      select i.id, i.state, i.kind, i.size, i.writer, tiles.bytes, tiles.whole,
        (extract(epoch from now() - i.modified_at) * 1000)::float8 as "idleMs"
      from page i cross join lateral (
        select coalesce(sum(length), 0)::bigint as bytes, coalesce(bool_and(state = 'sealed' and "offset" = before), true) as whole
        from (
          select length, state, "offset", coalesce(sum(length) over (order by "offset", length rows between unbounded preceding and 1 preceding), 0) as before
          from pangu.chunks where file = i.id
        ) chunk
      ) tiles
      order by i.id`,
  );
  const page = found.slice(0, limit);
  const writers = page.some(({ writer }) => writer !== null) ? await livingWriters(context) : undefined;
  return {
    ...EMPTY,
    files: page.length,
    problems: await named(
      context,
      page.flatMap((file) => judgeFile(file, writers).map((finding) => ({ file: file.id, finding }))),
    ),
    ...(found.length > limit ? { next: page.at(-1)!.id } : {}),
  };
}

type ChunkRow = FsckChunk & { id: string; file: string };

export async function fsckChunks(
  context: MasterContext,
  request: { path: string; after?: string; limit: number; verify: boolean },
): Promise<FsckPage> {
  const { db, chunkServers } = context;
  const { after = '', limit, verify } = request;
  const rowsFound = await rows<ChunkRow>(
    db,
    sql`
      with page as (
        select c.id, case when ${SETTLED} then 'sealed' else c.state end as state, c.length, i.replicas as wanted, i.id as file from pangu.chunks c join pangu.inodes i on i.id = c.file
        where i.deleted_at is null and c.id > ${after} and ${await below(context, request.path)} order by c.id limit ${limit + 1}
      )
      select page.id, page.state, page.length, page.wanted, page.file, ${verify ? sql`false` : isDamaged(sql`page.id`)} as damaged,
        (select coalesce(json_agg(r.node), '[]') from pangu.replicas r where r.chunk = page.id) as nodes
      from page order by page.id`,
  );
  let page = rowsFound.slice(0, limit);
  if (verify) page = page.slice(0, verifiedAtOnce(page));
  const dead = await deadNodes(db);
  const servers = chunkServers.list();
  const found = page.flatMap((chunk) => judgeChunk(chunk, servers, dead).map((finding) => ({ chunk, finding })));
  const read = verify ? await verifyAll(context, page) : { bytes: 0, findings: [] };
  const problems = [...found, ...read.findings].map(({ chunk, finding }) => ({ file: chunk.file, chunk: chunk.id, finding }));
  return {
    files: 0,
    chunks: page.length,
    replicas: page.reduce((sum, { nodes }) => sum + nodes.length, 0),
    bytes: page.reduce((sum, { length }) => sum + length, 0),
    verifiedBytes: read.bytes,
    problems: await named(context, problems),
    ...(page.length < rowsFound.length ? { next: page.at(-1)!.id } : {}),
  };
}

const EMPTY: FsckPage = { files: 0, chunks: 0, replicas: 0, bytes: 0, verifiedBytes: 0, problems: [] };
/** With the paths of their files. What was removed and is not collected yet has none, and no problems. */
async function named({ db }: MasterContext, found: { file: string; chunk?: string; finding: Finding }[]): Promise<FsckProblem[]> {
  if (found.length === 0) return [];
  const files = JSON.stringify([...new Set(found.map(({ file }) => file))]);
  const inTree = await rows<{ id: string; path: string }>(
    db,
    sql`
      with recursive up (file, id, parent) as (
        select i.id, i.id, i.parent from pangu.inodes i where i.id in (select jsonb_array_elements_text(${files}::jsonb))
        union all select up.file, above.id, above.parent from up join pangu.inodes above on above.id = up.parent
      )
      select i.id, coalesce(i.target, pangu.path_of(i.id)) as path
      from up join pangu.inodes i on i.id = up.file
      where up.parent is null and (up.id = ${ROOT_ID} or (i.target is not null and i.deleted_at is null))`,
  );
  const paths = new Map(inTree.map(({ id, path }) => [id, path]));
  return found.flatMap(({ file, chunk, finding }) => {
    const path = paths.get(file);
    return path === undefined ? [] : [{ path, ...finding, ...(chunk === undefined ? {} : { chunk }) }];
  });
}

/** Whether a file `i` is at or below the path; below the root are the hidden ones too. */
async function below({ db }: MasterContext, path: string): Promise<SQL> {
  const inode = await find(db, path);
  if (inode.id === ROOT_ID) return sql`true`;
  return sql`i.id in (
    with recursive below (id) as (
      select ${inode.id} union all select child.id from below join pangu.inodes child on child.parent = below.id
    ) select id from below)`;
}

async function livingWriters({ nuwa }: MasterContext): Promise<ReadonlySet<string> | undefined> {
  if (!nuwa) return undefined;
  try {
    const { children } = await nuwa.list(WRITERS_PATH);
    return new Set(children.map(({ path }) => path.slice(WRITERS_PATH.length + 1)));
  } catch (error) {
    if (hasCode(error, 'NoNode')) return new Set();
    throw error;
  }
}

/** How many of the first chunks, replicas counted, are read in one call; one at least. */
function verifiedAtOnce(page: readonly FsckChunk[]): number {
  let bytes = 0;
  const over = page.findIndex(({ length, nodes }) => {
    bytes += length * nodes.length;
    return bytes > VERIFY_BYTES_MAX;
  });
  return over < 0 ? page.length : Math.max(1, over);
}

async function verifyAll(
  context: MasterContext,
  page: readonly ChunkRow[],
): Promise<{ bytes: number; findings: { chunk: ChunkRow; finding: Finding }[] }> {
  const findings: { chunk: ChunkRow; finding: Finding }[] = [];
  let bytes = 0;
  const left = page.flatMap((chunk) => chunk.nodes.map((node) => ({ chunk, node })))[Symbol.iterator]();
  const reader = async (): Promise<void> => {
    for (const { chunk, node } of left) {
      const finding = await verifyOne(context, chunk, node);
      if (finding) findings.push({ chunk, finding });
      else bytes += chunk.length;
    }
  };
  await Promise.all(Array.from({ length: VERIFY_AT_ONCE }, reader));
  return { bytes, findings };
}

async function verifyOne(
  { chunkServers, chunkServerAt }: MasterContext,
  { id: chunk, length }: ChunkRow,
  node: string,
): Promise<Finding | undefined> {
  const server = chunkServers.get(node);
  if (!server || length === 0) return undefined;
  try {
    await chunkServerAt(server.address).verify({ node, chunk, length }, { timeoutMs: VERIFY_TIMEOUT_MS });
    return undefined;
  } catch (error) {
    const detail = messageOf(error);
    if (hasCode(error, 'NoChunk')) return { kind: 'missing', detail, nodes: [node] };
    return { kind: hasCode(error, 'BadChecksum', 'BadRange', 'DiskFailed') ? 'bad' : 'unverified', detail, nodes: [node] };
  }
}
