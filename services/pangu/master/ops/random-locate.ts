import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';
import { placeOf, RANDOM_COLUMNS, type RandomRow } from '../random-replicas.ts';

/** Size and places in one statement, so that they are of one moment. */
export async function randomLocate(context: MasterContext, { file, indexes }: { file: string; indexes: number[] }) {
  const found = await rows<{ size: number; state: string } & Partial<RandomRow>>(
    context.db,
    sql`
      select i.size, i.state, located.* from pangu.inodes i left join lateral (
        select ${RANDOM_COLUMNS} from pangu.chunks c
        where c.file = i.id and c.length > 0 and c.index in (select jsonb_array_elements_text(${JSON.stringify(indexes)}::jsonb)::int)
      ) located on true
      where i.id = ${file}`,
  );
  const [first] = found;
  if (!first) throw new PanguError('ENOENT', 'the file was removed');
  const chunks = found.flatMap((row) => {
    if (!row.chunk) return [];
    const chunk = row as RandomRow;
    return [{ ...placeOf(context, chunk), offset: chunk.index * chunk.chunkBytes, length: chunk.chunkBytes }];
  });
  return { size: first.size, open: first.state === 'open', chunks };
}
