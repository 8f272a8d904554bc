import { implement, serve } from '../../../../services/kuafu/server.ts';
import { joinCluster } from '../../../../services/nuwa/client.ts';
import { whoService } from './who-service.ts';

/**
 * A service as a process: `run-service.ts <instance> <ttlMs> <nuwa address>…`; prints `ready`. At SIGTERM it leaves in the order of the README of Kuafu:
 * unregister, drain, close.
 */
const [instance, ttlMs, ...nuwa] = process.argv.slice(2);
const who = implement(whoService, { who: async () => ({ who: `${instance}-${process.pid}` }) });
const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [who] });
const member = await joinCluster({ cluster: 'test', nuwa, creator: instance!, ttlMs: Number(ttlMs) });
const registration = await member.nuwa.register('who', instance!, { address: server.address, pid: process.pid });
process.once('SIGTERM', async () => {
  await registration.unregister();
  await server.close();
  await member.leave();
});
console.log('ready');
