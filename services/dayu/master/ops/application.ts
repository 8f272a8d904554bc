import type { MasterContext, Reply, Request } from '../context.ts';
import { assertApplication, readApplication } from '../store.ts';

export async function application({ db }: MasterContext, request: Request<'application'>): Promise<Reply<'application'>> {
  await assertApplication(db, request.application);
  return await readApplication(db, request.application);
}
