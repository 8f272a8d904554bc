import { writeFile } from 'node:fs/promises';
import { afterAll, expect, test } from 'vitest';
import { layoutOf } from '../../infra/cluster/layout.ts';
import { createNodeProvider } from '../../infra/node-provider.ts';
import { clearPlaces, newPlace } from './cluster-places.ts';

afterAll(clearPlaces);

test('where there is no local cluster a person adds and removes nodes', async () => {
  for (const dir of [undefined, await newPlace()]) {
    const provider = createNodeProvider(dir);
    expect(await provider.add({ id: 'node-5', rack: 'rack-a' })).toBe('manual');
    expect(await provider.remove('node-5')).toBe('manual');
    await provider.deleteData('node-5');
  }
});

test('a launcher that died is waited for: nodes of its cluster come from nobody else', async () => {
  const dir = await newPlace();
  await writeFile(layoutOf(dir).recordFile, JSON.stringify({ launchId: 'gone', processes: [], ports: [] }));
  await expect(createNodeProvider(dir).add({ id: 'node-5', rack: 'rack-a' })).rejects.toMatchObject({ code: 'NotRunning' });
});
