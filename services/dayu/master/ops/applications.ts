import { applications as table } from '../../tables.ts';
import type { MasterContext, Reply } from '../context.ts';
import { readApplication } from '../store.ts';

export async function applications({ db }: MasterContext): Promise<Reply<'applications'>> {
  const names = await db.select({ name: table.name }).from(table).orderBy(table.name);
  return { applications: await Promise.all(names.map(({ name }) => readApplication(db, name))) };
}
