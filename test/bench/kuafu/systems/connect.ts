import { once } from 'node:events';
import { createServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { MESSAGE_BYTES, PAYLOAD_BYTES, type System } from '../systems.ts';

/** As much of @connectrpc/connect, connect-node and @bufbuild/protobuf as is used here. */
interface Blob {
  data: Uint8Array;
}
interface Count {
  n: number;
}
interface Packages {
  createClient(
    service: object,
    transport: object,
  ): {
    unary(request: Blob): Promise<Blob>;
    up(messages: AsyncIterable<Blob>): Promise<Count>;
    down(request: Count): AsyncIterable<Blob>;
  };
  createConnectTransport(options: object): object;
  createGrpcTransport(options: object): object;
  connectNodeAdapter(options: object): (request: Http2ServerRequest, response: Http2ServerResponse) => void;
  create(schema: object, value: object): object;
  toBinary(schema: object, message: object): Uint8Array;
  fileDesc(base64: string): object;
  serviceDesc(file: object, index: number): object;
  FileDescriptorProtoSchema: object;
}

const BYTES = 12;
const UINT32 = 13;
const READ_BYTES_MAX = 64 << 20;

export function connect(packages: string, protocol: 'connect' | 'grpc'): System {
  const require = createRequire(join(packages, 'package.json'));
  const names = ['@connectrpc/connect', '@connectrpc/connect-node', '@bufbuild/protobuf'];
  const all = Object.assign(
    {},
    ...[...names, '@bufbuild/protobuf/codegenv2', '@bufbuild/protobuf/wkt'].map((name) => require(name)),
  ) as Packages;
  const echo = describeEcho(all);
  return {
    async serve() {
      const routes = (router: { service(service: object, handlers: object): void }): void =>
        router.service(echo, {
          unary: ({ data }: Blob) => ({ data }),
          async up(messages: AsyncIterable<Blob>) {
            let n = 0;
            for await (const _ of messages) n++;
            return { n };
          },
          down: ({ n }: Count) => repeated(n),
        });
      const server = createServer({}, all.connectNodeAdapter({ routes, readMaxBytes: READ_BYTES_MAX }));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },

    async connect(baseUrl) {
      const options = { baseUrl, httpVersion: '2', readMaxBytes: READ_BYTES_MAX, acceptCompression: [] };
      const client = all.createClient(echo, protocol === 'grpc' ? all.createGrpcTransport(options) : all.createConnectTransport(options));
      const data = new Uint8Array(PAYLOAD_BYTES).fill(1);
      return {
        unary: () => client.unary({ data }),
        async up(messages) {
          const { n } = await client.up(repeated(messages));
          if (n !== messages) throw new Error(`${n} of ${messages} messages came`);
        },
        async down(messages) {
          let got = 0;
          for await (const _ of client.down({ n: messages })) got++;
          if (got !== messages) throw new Error(`${got} of ${messages} messages came`);
        },
      };
    },
  };
}

async function* repeated(times: number): AsyncGenerator<Blob> {
  const data = new Uint8Array(MESSAGE_BYTES).fill(7);
  for (let i = 0; i < times; i++) yield { data };
}

/** The same service as a description in protobuf's own words, so that no code generator is needed. */
function describeEcho({ create, toBinary, fileDesc, serviceDesc, FileDescriptorProtoSchema }: Packages): object {
  const message = (name: string, field: string, type: number): object => ({
    name,
    field: [{ name: field, number: 1, type, label: 1, jsonName: field }],
  });
  const method = (name: string, input: string, output: string, streams: object = {}): object => ({
    name,
    inputType: `.bench.${input}`,
    outputType: `.bench.${output}`,
    ...streams,
  });
  const file = create(FileDescriptorProtoSchema, {
    name: 'bench.proto',
    package: 'bench',
    syntax: 'proto3',
    messageType: [message('Blob', 'data', BYTES), message('Count', 'n', UINT32)],
    service: [
      {
        name: 'Echo',
        method: [
          method('Unary', 'Blob', 'Blob'),
          method('Up', 'Blob', 'Count', { clientStreaming: true }),
          method('Down', 'Count', 'Blob', { serverStreaming: true }),
        ],
      },
    ],
  });
  return serviceDesc(fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64')), 0);
}
