import { readFileSync } from 'node:fs';
import { hasCode } from '../../../../services/base/errors.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { createKuafuClient, recycleAttachment } from '../../../../services/kuafu/client.ts';
import { implement, serve } from '../../../../services/kuafu/server.ts';
import type { CertificateFiles } from '../certificate.ts';
import { echoContract } from '../echo-contract.ts';
import { CLUSTER, guardOf, identityFrom, type KeyFiles } from '../keys.ts';
import { MESSAGE_BYTES, PAYLOAD_BYTES, type System } from '../systems.ts';

/** Ours, as any service of ours uses it. With keys: only who shows a token may call. With certificates: over TLS, each end with one. */
export function kuafu({ keys, tls }: { keys?: KeyFiles; tls?: CertificateFiles }): System {
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
      const guarded = keys ? { guard: await guardOf(keys), cluster: CLUSTER } : { guard: 'none' as const };
      const address = `${tls ? 'tls' : 'tcp'}://127.0.0.1:0`;
      return (await serve({ address, implementations: [echo], ...guarded, ...materialOf(tls) })).address;
    },

    async connect(address) {
      if (keys) await assertGuarded(address);
      const identified = keys ? { identity: await identityFrom(keys) } : {};
      const echo = createKuafuClient({ log: silentLogger, ...identified, ...materialOf(tls) }).service(echoContract, address);
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

/** A guard that lets anybody in costs nothing: that would be a figure of something else. */
async function assertGuarded(address: string): Promise<void> {
  const stranger = createKuafuClient();
  const refusal = await stranger
    .service(echoContract, address)
    .unary({ data: Buffer.alloc(PAYLOAD_BYTES) })
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  await stranger.close();
  if (!hasCode(refusal, 'Unauthenticated', 'PermissionDenied')) throw new Error(`the server lets anybody in: ${String(refusal)}`);
}

/** One certificate for both ends, which is its own authority. */
function materialOf(files: CertificateFiles | undefined) {
  if (!files) return {};
  const cert = readFileSync(files.certFile);
  const material = { key: readFileSync(files.keyFile), cert, ca: cert };
  return {
    tls: { clientOptions: () => ({ ...material, servername: 'localhost' }), serverOptions: () => material, onRenewed: () => () => {} },
  };
}
