import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { echoService } from './echo.ts';

/** One call, then nothing more to do: the process must end by itself. argv: address, and `close` or `leave`. */
const [address, how] = process.argv.slice(2);
const client = createKuafuClient();
const { text } = await client.service(echoService, address!).echo({ text: 'hello' });
process.stdout.write(text);
if (how === 'close') await client.close();
