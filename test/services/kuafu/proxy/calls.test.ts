import { afterAll, beforeAll } from 'vitest';
import { describeTransport } from '../transport.suite.ts';
import { Machines } from './machines.ts';

const machines = new Machines(2);
const [here, there] = machines.all as [Machines['all'][0], Machines['all'][0]];
beforeAll(() => machines.start().then(() => {}));
afterAll(() => machines.close());

describeTransport('two proxies', () => `tcp://${there.host}:0`, undefined, here.proxy);
