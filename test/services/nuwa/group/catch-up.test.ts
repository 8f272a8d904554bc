import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { register } from '../../../../infra/cli/commands/nuwa.ts';
import { systemClock } from '../../../../services/base/clock.ts';
import { nodeFiles } from '../../../../services/nuwa/log/file-system.ts';
import { nodeHost } from '../../../../services/nuwa/log/host.ts';
import { openStorage } from '../../../../services/nuwa/log/storage.ts';
import type { NuwaOptions } from '../../../../services/nuwa/server.ts';
import { runVerbs } from '../../../infra/cli-stage.ts';
import { Harness, leaderOf } from '../harness.ts';

let harness: Harness;
beforeEach(() => {
  harness = new Harness();
});
afterEach(() => harness.close());

/** A disk that has no room for a snapshot until it is said to. */
function narrowDisk() {
  const disk = { full: true, looks: 0 };
  const files = {
    ...nodeFiles,
    freeBytes: async (dir: string) => {
      disk.looks++;
      return disk.full ? 1_000 : await nodeFiles.freeBytes(dir);
    },
  };
  const options: NuwaOptions = { open: (opening, log) => openStorage(opening, log, systemClock, { ...nodeHost, files }) };
  return { disk, options };
}

describe('a server that lags behind what others keep, and has no room for a snapshot', { timeout: 120_000 }, () => {
  it('says so, tries again ever more seldom, is named by check in bounded time, and catches up when there is room', async () => {
    const servers = await harness.group(3);
    const leader = await leaderOf(servers);
    const away = servers.find((server) => server !== leader)!;
    const places = servers.map(({ group, address }) => ({ id: group.id, address }));
    await away.stop();
    const nuwa = await harness.client(leader.address);
    await nuwa.create('/n', new Uint8Array(1_000_000));
    for (let i = 0; i < 20; i++) await nuwa.set('/n', new Uint8Array(1_000_000).fill(i));
    await harness.rpc(leader.address).snapshot({ fresh: true }, { timeoutMs: 60_000 });

    const { disk, options } = narrowDisk();
    const back = await harness.member(away.group.id, places, options);
    await vi.waitFor(() => expect(back.group.snapshots.fetchFailures).toBe(3), 20_000);
    const { problems } = await harness.rpc(back.address).status({});
    expect(problems).toEqual([expect.stringMatching(/^it lags, and the snapshot of .* could not be fetched, 3 times: .* 1000 bytes free/)]);
    // Heartbeats come each 100 ms; it was tried at once, after 250 ms, and 500 ms after that.
    expect(disk.looks).toBe(3);

    const addresses = servers.map(({ address }) => address.replace('tcp://', '')).join(',');
    const checked = await runVerbs([register], ['nuwa', 'check', '--json', '--nuwa', addresses]);
    expect(checked.code).toBe(1);
    expect(JSON.parse(checked.stdout)).toMatchObject({
      sound: false,
      servers: expect.not.arrayContaining([back.group.id]),
      differences: [],
      problems: [
        expect.stringMatching(new RegExp(`^${back.group.id}: it lags, and the snapshot`)),
        expect.stringMatching(new RegExp(`^${back.group.id} lags: it has entry`)),
      ],
    });

    disk.full = false;
    await vi.waitFor(() => expect(back.group.state.revision).toBe(leader.group.state.revision), { timeout: 30_000, interval: 50 });
    expect((await harness.rpc(back.address).status({})).problems).toEqual([]);
  });
});
