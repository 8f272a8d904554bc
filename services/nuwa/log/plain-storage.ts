import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import type { Logger } from '../../base/log.ts';
import type { DiskWrite, Entry, HardState, RaftStored } from '../core/raft/types.ts';
import { newState } from '../core/tree/state.ts';
import { decode, encode } from './codec.ts';
import type { LoadedSnapshot, Storage, StorageOptions } from './port.ts';

/** A log in one file and nothing else: no snapshots, no lock. Stands here until the server's files (port.ts) are kept as they should be. */
export async function openPlainStorage({ dir, initialConfig }: StorageOptions, _log: Logger): Promise<Storage> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, 'log');
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  let hardState: HardState = { term: 0, vote: undefined };
  const entries: Entry[] = [];
  let at = 0;
  while (at + 8 <= bytes.length) {
    const length = bytes.readUInt32BE(at);
    const payload = bytes.subarray(at + 8, at + 8 + length);
    if (payload.length < length || crc32c(payload) !== bytes.readUInt32BE(at + 4)) break;
    for (const write of decode(payload) as DiskWrite[]) {
      if (write.hardState) hardState = { term: write.hardState.term, vote: write.hardState.vote ?? undefined };
      if (write.entries.length > 0) entries.length = write.entries[0]!.index - 1;
      entries.push(...write.entries);
    }
    at += 8 + length;
  }
  const file = await open(path, 'a+');
  await file.truncate(at);
  const stored = { hardState, snapshot: { index: 0, term: 0, config: initialConfig }, entries };
  return new PlainStorage(file, stored, at);
}

class PlainStorage implements Storage {
  readonly stored: RaftStored;
  readonly wantsSnapshot = false;
  logBytes: number;
  readonly #file: FileHandle;

  constructor(file: FileHandle, stored: RaftStored, bytes: number) {
    this.#file = file;
    this.stored = stored;
    this.logBytes = bytes;
  }

  takeLoaded(): LoadedSnapshot {
    return { mark: this.stored.snapshot, state: newState(), events: [] };
  }

  async write(writes: readonly DiskWrite[]): Promise<void> {
    const payload = encode(writes);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(payload.length, 0);
    head.writeUInt32BE(crc32c(payload), 4);
    const { bytesWritten } = await this.#file.writev([head, payload]);
    if (bytesWritten < payload.length + 8) throw new Error(`${bytesWritten} of ${payload.length + 8} bytes were written`);
    await this.#file.datasync();
    this.logBytes += payload.length + 8;
  }

  async makeSnapshot(): Promise<never> {
    throw new Error('no snapshots here');
  }
  newestSnapshot(): { index: number; term: number; bytes: number } {
    return { index: 0, term: 0, bytes: 0 };
  }
  async readSnapshot(): Promise<undefined> {
    return undefined;
  }
  async installSnapshot(): Promise<never> {
    throw new Error('no snapshots here');
  }
  async close(): Promise<void> {
    await this.#file.close();
  }
}
