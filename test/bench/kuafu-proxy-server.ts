import { serve } from '../../services/kuafu/server.ts';
import { EchoHandlers } from '../services/kuafu/echo.ts';
import { StreamerHandlers } from '../services/kuafu/streamer.ts';

/** What the bench of proxies calls, in a process of its own: `kuafu-proxy-server.ts <address>`. */
const [address = 'tcp://127.0.0.1:0'] = process.argv.slice(2);
const implementations = [new EchoHandlers().implementation(), new StreamerHandlers().implementation()];
const server = await serve({ guard: 'none', address, implementations });
process.on('disconnect', () => process.exit());
process.send!({ address: server.address });
