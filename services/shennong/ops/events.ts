import type { ShennongContext } from '../context.ts';
import type { Anomaly } from '../contract.ts';

export async function events({ store }: ShennongContext, { limit }: { limit: number }): Promise<{ events: Anomaly[] }> {
  return { events: await store.newest(limit) };
}
