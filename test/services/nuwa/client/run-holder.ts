import { connectNuwa } from '../../../../services/nuwa/client.ts';

/** A process that holds a lock: `run-holder.ts <path> <ttlMs> <nuwa address>…`; prints its token, and `lost` when it hears that it lost it. */
const [path, ttlMs, ...addresses] = process.argv.slice(2);
const nuwa = await connectNuwa({ addresses, cluster: 'test', creator: 'holder', ttlMs: Number(ttlMs) });
const held = await nuwa.lock(path!);
held.lost.addEventListener('abort', () => console.log('lost'));
console.log(held.token);
