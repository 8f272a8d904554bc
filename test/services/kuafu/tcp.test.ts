import { describeTransport } from './transport.suite.ts';

describeTransport('tcp', () => 'tcp://127.0.0.1:0');
