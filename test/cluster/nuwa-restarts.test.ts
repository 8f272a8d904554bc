import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClusterHandle, startCluster } from '../../infra/cluster/launch.ts';

import { joinAsAdmin } from '../helpers/cluster.ts';
import { clearPlaces, newPlace, START_MS_MAX } from '../infra/cluster-places.ts';
import { feitian } from '../infra/feitian.ts';

/**
 * What happens to a running group when its servers are stopped one after another, as for an update, and when its cluster goes down and comes up again.
 */
const SERVERS = ['nuwa-1', 'nuwa-2', 'nuwa-3'];
const STANDING = 20;

type Member = Awaited<ReturnType<typeof joinAsAdmin>>;

describe('a cluster with three Nuwa servers', () => {
  let dir: string;
  let cluster: ClusterHandle;
  beforeAll(async () => {
    dir = await newPlace();
    cluster = await startCluster({ dir, nodes: 1, nuwaServers: 3, together: true, attached: true });
  }, START_MS_MAX);
  afterAll(clearPlaces, START_MS_MAX);

  const join = (): Promise<Member> => joinAsAdmin(cluster.info, 'test');

  it('loses no registration and fails no call while its servers are restarted one after another', async () => {
    const [holder, busy, watcher] = await Promise.all([join(), join(), join()]);
    const info = { address: 'tcp://127.0.0.1:9' };
    for (let i = 0; i < STANDING; i++) await holder.nuwa.register('standing', `s-${i}`, info);
    const { revision, children: standing } = await watcher.nuwa.list('/services/standing');
    const over = new AbortController();

    const gone: string[] = [];
    const watching = (async () => {
      const options = { recursive: true, afterRevision: revision, signal: over.signal };
      for await (const event of watcher.nuwa.watch('/services/standing', options)) if (event.kind === 'deleted') gone.push(event.path);
    })();
    let registrations = 0;
    const working = (async () => {
      while (!over.signal.aborted) {
        const name = `b-${registrations++}`;
        const registration = await busy.nuwa.register('busy', name, info);
        expect((await busy.nuwa.get(`/services/busy/${name}`)).creator).toBe('test');
        await registration.unregister();
      }
    })();

    for (const id of SERVERS) {
      const { pid } = (await cluster.refresh()).processes.find(({ instance }) => instance === id)!;
      process.kill(pid, 'SIGTERM');
      expect(await cluster.awaitRestart('nuwa', id, pid)).toMatchObject({ instance: id, state: 'ready' });
    }
    over.abort();
    await Promise.all([working, watching]);
    expect(registrations).toBeGreaterThan(10);
    expect(gone).toEqual([]);
    const { children } = await watcher.nuwa.list('/services/standing');
    expect(children.map(({ path, createRevision }) => [path, createRevision])).toEqual(
      standing.map(({ path, createRevision }) => [path, createRevision]),
    );
    await Promise.all([holder, busy, watcher].map((member) => member.leave()));
  }, 120_000);

  it(
    'has at the same addresses what it acknowledged, after it went down and came up',
    async () => {
      const { nuwa } = await cluster.refresh();
      const member = await join();
      const { revision } = await member.nuwa.create('/kept/here', Buffer.from('this'), { parents: true });
      await member.leave();
      await cluster.stop();
      cluster = await startCluster({ dir, nodes: 1, together: true, attached: true });
      expect(cluster.info.nuwa).toEqual(nuwa);
      const { code, stdout } = await feitian(['nuwa', 'get', '/kept/here', '--json', '--dir', dir]);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ value: 'this', createRevision: revision });
    },
    START_MS_MAX,
  );
});
