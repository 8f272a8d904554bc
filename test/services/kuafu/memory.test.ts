import { describeTransport } from './transport.suite.ts';

let next = 0;
describeTransport('mem', () => `mem://suite-${next++}`);
