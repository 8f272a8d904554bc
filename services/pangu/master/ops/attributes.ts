import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { checkAttribute, checkAttributesTotal } from '../../core/attributes.ts';
import type { MasterContext } from '../context.ts';
import { find } from '../inodes.ts';
import { once, REQUEST_KEEP_MS } from '../once.ts';

export async function attributes({ db }: MasterContext, { path }: { path: string }) {
  const { id } = await find(db, path);
  const found = await rows<{ name: string; value: Uint8Array }>(
    db,
    sql`select name, value from pangu.attributes where inode = ${id} order by name`,
  );
  return { attributes: found.map(({ name, value }) => ({ name, value: new Uint8Array(value) })) };
}

export async function setAttribute({ db }: MasterContext, request: { path: string; name: string; value: Uint8Array }) {
  const { path, name } = request;
  checkAttribute(name, request.value);
  const value = Buffer.from(request.value);
  await inTransaction(db, async (tx) => {
    const { id } = await find(tx, path);
    // One at a time, so that two together do not pass the limit.
    const there = await rows(tx, sql`select id from pangu.inodes where id = ${id} for no key update`);
    if (there.length === 0) throw new PanguError('ENOENT', `${path} does not exist`);
    const [others] = await rows<{ bytes: number }>(
      tx,
      sql`
        select coalesce(sum(octet_length(name) + octet_length(value)), 0)::bigint as bytes
        from pangu.attributes where inode = ${id} and name <> ${name}`,
    );
    checkAttributesTotal(others!.bytes, name, value, path);
    await tx.execute(sql`
      insert into pangu.attributes (inode, name, value) values (${id}, ${name}, ${value}::bytea)
      on conflict (inode, name) do update set value = excluded.value`);
  });
  return {};
}

export async function removeAttribute({ db }: MasterContext, { requestId, path, name }: { requestId: string; path: string; name: string }) {
  checkAttribute(name, new Uint8Array());
  await once(db, requestId, REQUEST_KEEP_MS, async (tx) => {
    const { id } = await find(tx, path);
    const removed = await rows(tx, sql`delete from pangu.attributes where inode = ${id} and name = ${name} returning name`);
    if (removed.length === 0) throw new PanguError('ENODATA', `${path} has no attribute "${name}"`);
  });
  return {};
}
