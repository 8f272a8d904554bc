import { serve } from '../../../services/kuafu/server.ts';
import { EchoHandlers } from './echo.ts';

/** An echo server in a process of its own, to be killed. argv: address, name. Sends its address to its parent, and each name that waits. */
const [address = 'tcp://127.0.0.1:0', who = 'process'] = process.argv.slice(2);
const handlers = new EchoHandlers(who);
const server = await serve({ guard: 'none', address, implementations: [handlers.implementation()] });
process.send!({ address: server.address });
process.on('disconnect', () => process.exit());
await handlers.untilWaiting(1);
process.send!({ waiting: [...handlers.waiting.keys()] });
