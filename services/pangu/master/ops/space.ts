import type { MasterContext } from '../context.ts';
import { servers } from './servers.ts';

/** What anybody may know of the chunk servers who may read here. */
export async function space(context: MasterContext) {
  return { servers: (await servers(context)).servers };
}
