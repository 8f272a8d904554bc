import type { MasterContext } from '../context.ts';
import { find, statOf } from '../inodes.ts';

export async function stat({ db }: MasterContext, { path }: { path: string }) {
  return statOf(await find(db, path));
}
