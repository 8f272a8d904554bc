import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { freePort, isFree } from '../../infra/cluster/ports.ts';

const PORTS = fileURLToPath(new URL('../../infra/cluster/ports.ts', import.meta.url));

test('ports that are given out are free and never the same, also when many are asked for at once', async () => {
  const ports = await Promise.all(Array.from({ length: 120 }, freePort));
  expect(new Set(ports).size).toBe(120);
  for (const port of ports) expect(await isFree(port), `${port}`).toBe(true);
});

test('a port that somebody listens on is left out', async () => {
  const next = (await freePort()) + 1;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ port: next, host: '127.0.0.1' }, resolve));
  const ports = await Promise.all(Array.from({ length: 60 }, freePort));
  expect(ports).not.toContain(next);
  await new Promise((resolve) => server.close(resolve));
});

test('several processes are never given the same port, though nobody listens on any of them yet', async () => {
  // Enough that chance alone would give some of them twice.
  const script = `import { freePort } from ${JSON.stringify(PORTS)};
    const ports = [];
    for (let i = 0; i < 200; i++) ports.push(await freePort());
    console.log(JSON.stringify(ports));
    await new Promise((resolve) => process.stdin.once('end', resolve).resume());`;
  const run = promisify(execFile);
  const own = Promise.all(Array.from({ length: 200 }, freePort));
  const others = Array.from({ length: 3 }, () => {
    const running = run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    const told = new Promise<number[]>((resolve) => running.child.stdout!.once('data', (text) => resolve(JSON.parse(`${text}`))));
    return { running, told };
  });
  const all = [...(await own), ...(await Promise.all(others.map(({ told }) => told))).flat()];
  for (const { running } of others) running.child.stdin!.end();
  await Promise.all(others.map(({ running }) => running));
  expect(all).toHaveLength(800);
  expect(new Set(all).size).toBe(800);
});
