import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { choosePorts } from '../../services/dayu/agent/ports.ts';

const SERVER = new URL('../../infra/examples/hello-service/server.mjs', import.meta.url).pathname;

interface Running {
  port: number;
  child: ChildProcess;
  events: string[];
}

async function start(env: Record<string, string> = {}): Promise<Running> {
  const { http } = await choosePorts({ http: 0 });
  const variables = { PATH: process.env.PATH, PORT: String(http), FEITIAN_VERSION: '1.2.3', FEITIAN_NODE: 'n1', ...env };
  const child = spawn(process.execPath, [SERVER], { env: variables, stdio: ['ignore', 'pipe', 'ignore'] });
  const events: string[] = [];
  const lines = createInterface({ input: child.stdout! });
  lines.on('line', (line) => events.push(JSON.parse(line).event));
  const closed = once(child, 'close');
  await new Promise<void>((resolve) => {
    lines.on('line', () => events.includes('listening') && resolve());
    void closed.then(() => resolve());
  });
  return { port: http!, child, events };
}

function ask(port: number, path: string, agent?: Agent): Promise<{ status: number; connection: string | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: agent ?? false }, async (response) => {
      let body = '';
      for await (const piece of response) body += piece;
      resolve({ status: response.statusCode!, connection: response.headers.connection, body });
    }).on('error', reject);
  });
}

describe('the example service', () => {
  test('says which version answers, where, and whether it is well', async () => {
    const { port, child, events } = await start({ GREETING: 'good day' });
    const { status, body } = await ask(port, '/');
    expect([status, JSON.parse(body)]).toEqual([200, { greeting: 'good day', version: '1.2.3', node: 'n1', pid: child.pid }]);
    expect([(await ask(port, '/healthz')).status, (await ask(port, '/nowhere')).status, (await ask(port, '//')).status]).toEqual([
      200, 404, 404,
    ]);
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(events).toEqual(['started', 'listening', 'stopping', 'stopped']);
  });

  test('leaves nobody without an answer who is connected when it is asked to stop', async () => {
    const { port, child } = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const answers: { status: number; connection: string | undefined }[] = [];
    const refused: unknown[] = [];
    let closing = false;
    const client = async (): Promise<void> => {
      while (!closing) {
        try {
          const answer = await ask(port, '/', agent);
          answers.push(answer);
          closing ||= answer.connection === 'close';
        } catch (error) {
          refused.push(error);
          return;
        }
      }
    };
    const clients = Array.from({ length: 8 }, client);
    await expect.poll(() => answers.length).toBeGreaterThan(100);
    child.kill('SIGTERM');
    await Promise.all(clients);
    // A client that was told to close asks no more here; one that was not told yet is answered.
    expect(refused).toEqual([]);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(answers.at(-1)!.connection).toBe('close');
    expect(await once(child, 'exit')).toEqual([0, null]);
    await expect(ask(port, '/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    agent.destroy();
  });

  test('crashes, sickens or is never well when it is told to', async () => {
    const crashing = await start({ BEHAVIOUR: 'crash' });
    expect([crashing.child.exitCode, crashing.events]).toEqual([3, ['started']]);
    const never = await start({ BEHAVIOUR: 'never' });
    expect((await ask(never.port, '/healthz')).status).toBe(503);
    const sick = await start({ BEHAVIOUR: 'sicken', SICKEN_AFTER_MS: '1500' });
    expect((await ask(sick.port, '/healthz')).status).toBe(200);
    await expect.poll(async () => (await ask(sick.port, '/healthz')).status, { timeout: 10_000 }).toBe(503);
    for (const { child } of [never, sick]) child.kill('SIGKILL');
  });
});
