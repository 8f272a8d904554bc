import { createKuafuClient, recycleAttachment } from '../../../../services/kuafu/client.ts';
import { implement, serve } from '../../../../services/kuafu/server.ts';
import { echoContract } from '../echo-contract.ts';
import { MESSAGE_BYTES, PAYLOAD_BYTES, type System } from '../systems.ts';

/** Ours, as any service of ours uses it. */
export function kuafu(_options: object): System {
  return {
    async serve() {
      const echo = implement(echoContract, {
        unary: async (request) => request,
        async up(_, { incoming }) {
          let messages = 0;
          for await (const { attachment } of incoming) {
            messages++;
            recycleAttachment(attachment);
          }
          return { messages };
        },
        async down({ messages }, context) {
          const message = Buffer.alloc(MESSAGE_BYTES, 7);
          for (let i = 0; i < messages; i++) await context.send(null, message);
          return null;
        },
      });
      return (await serve({ address: 'tcp://127.0.0.1:0', implementations: [echo] })).address;
    },

    async connect(address) {
      const echo = createKuafuClient().service(echoContract, address);
      const data = Buffer.alloc(PAYLOAD_BYTES, 1);
      const message = Buffer.alloc(MESSAGE_BYTES, 7);
      const timeoutMs = 600_000;
      return {
        unary: () => echo.unary({ data }),
        async up(messages) {
          const call = echo.up({}, { timeoutMs });
          for (let i = 0; i < messages; i++) await call.send(null, message);
          call.end();
          assertCount((await call.reply).messages, messages);
        },
        async down(messages) {
          let got = 0;
          for await (const { attachment } of echo.down({ messages }, { timeoutMs })) {
            got++;
            recycleAttachment(attachment);
          }
          assertCount(got, messages);
        },
      };
    },
  };
}

function assertCount(got: number, messages: number): void {
  if (got !== messages) throw new Error(`${got} of ${messages} messages came`);
}
