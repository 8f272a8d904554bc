import { setTimeout as work } from 'node:timers/promises';
import { implement, serve } from '../../../services/kuafu/server.ts';
import { joinCluster } from '../../../services/nuwa/client.ts';
import { rollingService } from './rolling-service.ts';

/**
 * An instance of the service as a process: `rolling-process.ts <instance> <nuwa address>`. At SIGTERM it leaves as the README of Kuafu says, unregister,
 * drain, close, and tells its parent how many calls it ran and finished.
 */
const [instance, nuwa] = process.argv.slice(2) as [string, string];
const counts = { again: 0, once: 0 };
const handle =
  (name: 'again' | 'once') =>
  async ({ holdMs }: { holdMs: number }): Promise<{ who: string }> => {
    await work(holdMs);
    counts[name]++;
    return { who: instance };
  };
const server = await serve({
  guard: 'none',
  address: 'tcp://127.0.0.1:0',
  implementations: [implement(rollingService, { again: handle('again'), once: handle('once') })],
});
const member = await joinCluster({ cluster: 'test', nuwa: [nuwa], creator: instance });
const registration = await member.nuwa.register('rolling', instance, { address: server.address, pid: process.pid });
process.once('SIGTERM', async () => {
  await registration.unregister();
  await server.close();
  await member.leave();
  process.send!({ counts }, () => process.disconnect());
});
process.send!({ ready: instance });
