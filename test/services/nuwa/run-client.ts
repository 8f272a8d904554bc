import { connectNuwa } from '../../../services/nuwa/client.ts';

/** A client as a process: `run-client.ts <address> <ttlMs> <what>`; prints what it saw. */
const [address, ttlMs, what] = process.argv.slice(2);
const nuwa = await connectNuwa({ addresses: [address!], cluster: 'test', creator: 'process', ttlMs: Number(ttlMs) });
nuwa.session.onState((state) => console.log(state));
await nuwa.create('/mine', new Uint8Array(), { ephemeral: true });
await nuwa.register('demo', 'one', { address: 'tcp://127.0.0.1:1', pid: process.pid });
const watched = (async () => {
  for await (const _ of nuwa.watch('/', { recursive: true }));
})();
console.log('ready');
if (what === 'leave') {
  await nuwa.close();
  await watched;
}
