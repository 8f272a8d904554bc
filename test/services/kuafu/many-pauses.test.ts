import { expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { EchoHandlers, echoService } from './echo.ts';

test('many calls that are tried again at once leave no warning of listeners', async () => {
  const handlers = new EchoHandlers();
  const server = await serve({
    guard: 'none',
    address: 'tcp://127.0.0.1:0',
    implementations: [handlers.implementation()],
    limits: { callsPerConnectionMax: 4 },
  });
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', onWarning);
  const client = createKuafuClient();
  const echo = client.service(echoService, server.address);
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => echo.wait({ name: `${i}` }, { timeoutMs: 300 })));
  expect(
    outcomes.filter(({ status, ...rest }) => status === 'rejected' && (rest as { reason: { code: string } }).reason.code === 'Overloaded')
      .length,
  ).toBeGreaterThan(50);
  await client.close();
  await server.close({ graceMs: 0 });
  await new Promise<void>((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});
