import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { MESSAGE_BYTES, PAYLOAD_BYTES, type System } from '../systems.ts';

/** As much of @grpc/grpc-js and @grpc/proto-loader as is used here. */
interface Grpc {
  loadPackageDefinition(definition: object): {
    bench: { Echo: { new (address: string, credentials: object, options: object): EchoStub; service: object } };
  };
  credentials: { createInsecure(): object };
  ServerCredentials: { createInsecure(): object };
  Server: new (
    options: object,
  ) => {
    addService(service: object, handlers: object): void;
    bindAsync(address: string, credentials: object, done: (error: Error | null, port: number) => void): void;
  };
}
type Done<T> = (error: Error | null, value?: T) => void;
interface EchoStub {
  Unary(request: { data: Buffer }, done: Done<{ data: Buffer }>): void;
  Up(done: Done<{ n: number }>): Writable;
  Down(request: { n: number }): Readable;
}

const blob = { fields: { data: { type: 'bytes', id: 1 } } };
const count = { fields: { n: { type: 'uint32', id: 1 } } };
const ECHO = {
  nested: {
    bench: {
      nested: {
        Blob: blob,
        Count: count,
        Echo: {
          methods: {
            Unary: { requestType: 'Blob', responseType: 'Blob' },
            Up: { requestType: 'Blob', requestStream: true, responseType: 'Count' },
            Down: { requestType: 'Count', responseType: 'Blob', responseStream: true },
          },
        },
      },
    },
  },
};
/** The peers' default limit is 4 MiB. */
const MESSAGES = { 'grpc.max_receive_message_length': 64 << 20 };

export function grpcJs(packages: string): System {
  const require = createRequire(join(packages, 'package.json'));
  const grpc = require('@grpc/grpc-js') as Grpc;
  const loader = require('@grpc/proto-loader') as { fromJSON(json: object, options: object): object };
  const { Echo } = grpc.loadPackageDefinition(loader.fromJSON(ECHO, { longs: Number })).bench;
  return {
    serve() {
      const server = new grpc.Server(MESSAGES);
      server.addService(Echo.service, {
        Unary: ({ request }: { request: { data: Buffer } }, done: Done<{ data: Buffer }>) => done(null, { data: request.data }),
        Up: (call: Readable, done: Done<{ n: number }>) => {
          let n = 0;
          call.on('data', () => n++);
          call.on('end', () => done(null, { n }));
        },
        Down: async (call: Writable & { request: { n: number } }) => {
          await writeTimes(call, call.request.n);
          call.end();
        },
      });
      return new Promise((resolve, reject) =>
        server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
          error ? reject(error) : resolve(`127.0.0.1:${port}`),
        ),
      );
    },

    async connect(address) {
      const echo = new Echo(address, grpc.credentials.createInsecure(), MESSAGES);
      const data = Buffer.alloc(PAYLOAD_BYTES, 1);
      return {
        unary: () => new Promise((resolve, reject) => echo.Unary({ data }, (error, reply) => (error ? reject(error) : resolve(reply)))),
        up: (messages) =>
          new Promise((resolve, reject) => {
            const call = echo.Up((error, reply) =>
              error || reply?.n !== messages ? reject(error ?? new Error(`${reply?.n} came`)) : resolve(),
            );
            writeTimes(call, messages).then(() => call.end(), reject);
          }),
        async down(messages) {
          let got = 0;
          const call = echo.Down({ n: messages });
          call.on('data', () => got++);
          await once(call, 'end');
          if (got !== messages) throw new Error(`${got} of ${messages} messages came`);
        },
      };
    },
  };
}

async function writeTimes(call: Writable, times: number): Promise<void> {
  const message = { data: Buffer.alloc(MESSAGE_BYTES, 7) };
  for (let i = 0; i < times; i++) if (!call.write(message)) await once(call, 'drain');
}
