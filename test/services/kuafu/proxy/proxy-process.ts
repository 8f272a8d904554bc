import { byHost, type RemoteProxy } from '../../../../services/kuafu/core/proxy-route.ts';
import { totals } from '../../../../services/kuafu/meter.ts';
import { startProxy } from '../../../../services/kuafu/proxy/proxy.ts';

/**
 * The proxy of a machine as a process: `proxy-process.ts <host> <local address> <listen>`. Its parent tells it which other machines there are, and may ask it
 * what it counts; SIGTERM stops it.
 */
export type ToProxy = { others: RemoteProxy[] } | { count: true };
export type FromProxy =
  | { address: string }
  | { known: number }
  | { channels: number; clientConnections: number; serverConnections: number };

const [host, local, listen] = process.argv.slice(2) as [string, string, string];
let others: ReadonlyMap<string, RemoteProxy> = new Map();
const proxy = await startProxy({ local, listen, hosts: [host], others: () => others, guard: 'none', cluster: 'test' });
const say = (message: FromProxy): void => void process.send!(message);

process.on('message', (message: ToProxy) => {
  if ('others' in message) {
    others = byHost(message.others);
    say({ known: others.size });
  } else {
    const { clientConnections, serverConnections } = totals;
    say({ channels: proxy.channels, clientConnections, serverConnections });
  }
});
process.on('disconnect', () => process.exit());
process.once('SIGTERM', async () => {
  await proxy.stop();
  process.disconnect();
});
say({ address: proxy.address });
