import { serve } from '../../../services/kuafu/server.ts';
import { EchoHandlers } from './echo.ts';

/** An echo server in a process of its own that says, when asked, how many connections it holds and what it weighs. argv: the bound of connections. */
const handlers = new EchoHandlers();
const server = await serve({
  guard: 'none',
  address: 'tcp://127.0.0.1:0',
  implementations: [handlers.implementation()],
  limits: { connectionsMax: Number(process.argv[2]) },
});
const { totals } = await import('../../../services/kuafu/meter.ts');
process.on('disconnect', () => process.exit());
process.on('message', () => {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send!({ connections: totals.serverConnections, rss, heapUsed, external });
});
process.send!({ address: server.address });
