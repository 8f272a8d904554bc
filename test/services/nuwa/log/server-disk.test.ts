import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../services/base/clock.ts';
import { type FileSystem, nodeFiles, type OpenFile } from '../../../../services/nuwa/log/file-system.ts';
import { nodeHost } from '../../../../services/nuwa/log/host.ts';
import { openStorage } from '../../../../services/nuwa/log/storage.ts';
import type { NuwaOptions } from '../../../../services/nuwa/server.ts';
import { bytes } from '../core/tree/script.ts';
import { Harness, type NuwaServer } from '../harness.ts';

let harness: Harness;
beforeEach(() => {
  harness = new Harness();
});
afterEach(() => harness.close());

/** A disk that does as it should until a call of this kind on a segment of the log is to fail, once. */
class FailingDisk {
  next: { call: 'write' | 'datasync'; error: NodeJS.ErrnoException } | undefined;
  calls = 0;

  fail(call: 'write' | 'datasync', code: string): void {
    this.next = { call, error: Object.assign(new Error(`${code}: it failed`), { code }) };
  }

  readonly #met = (call: string): void => {
    this.calls++;
    if (this.next?.call !== call) return;
    const { error } = this.next;
    this.next = undefined;
    throw error;
  };

  readonly files: FileSystem = {
    ...nodeFiles,
    open: async (path, flags, mode) => {
      const file = await nodeFiles.open(path, flags, mode);
      if (!path.includes('/log-')) return file;
      const failing: OpenFile = {
        read: (...args) => file.read(...args),
        write: async (...args) => {
          this.#met('write');
          return await file.write(...args);
        },
        truncate: (length) => file.truncate(length),
        sync: () => file.sync(),
        datasync: async () => {
          this.#met('datasync');
          await file.datasync();
        },
        stat: () => file.stat(),
        close: () => file.close(),
      };
      return failing;
    },
  };

  readonly options: NuwaOptions = {
    open: (options, log) => openStorage(options, log, systemClock, { ...nodeHost, files: this.files }),
  };
}

const unwritable = { code: 'Unwritable' };

describe('a server whose disk fails once and does well from then on', () => {
  test.each([
    ['a sync with EIO', 'datasync', 'EIO'],
    ['a write with ENOSPC', 'write', 'ENOSPC'],
  ] as const)(
    'at %s: acknowledges nothing more, says so, does not touch the file again, and serves all that was acknowledged after a restart',
    async (_, call, code) => {
      const disk = new FailingDisk();
      let server: NuwaServer = await harness.server(disk.options);
      let nuwa = await harness.client(server.address, { ttlMs: 60_000 });
      const { revision } = await nuwa.create('/n', bytes('acknowledged'));
      disk.fail(call, code);
      await expect(nuwa.set('/n', bytes('never'))).rejects.toMatchObject(unwritable);
      expect(disk.next).toBeUndefined();
      const { calls } = disk;
      for (let tries = 0; tries < 3; tries++) await expect(nuwa.set('/n', bytes('never'))).rejects.toMatchObject(unwritable);
      await expect(nuwa.get('/n')).rejects.toMatchObject(unwritable);
      expect(disk.calls).toBe(calls);
      const { writable, role } = await harness.rpc(server.address).status({});
      expect({ writable, role }).toEqual({ writable: false, role: 'follower' });

      await server.stop();
      server = await harness.server({ ...disk.options, listen: server.address });
      nuwa = await harness.client(server.address);
      const node = await nuwa.get('/n');
      // What failed may be found done; nobody was told that it was.
      expect(['acknowledged', 'never']).toContain(Buffer.from(node.value).toString());
      expect(node.createRevision).toBe(revision);
      expect((await nuwa.set('/n', bytes('again'), { version: node.version })).version).toBe(node.version + 1);
    },
  );
});
