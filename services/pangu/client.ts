import type { Readable, Writable } from 'node:stream';
import { type Clock, systemClock } from '../base/clock.ts';
import { newId } from '../base/ids.ts';
import { type Logger, silentLogger } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { KuafuClient } from '../kuafu/contract.ts';
import type { NuwaClient } from '../nuwa/contract.ts';
import { chunkServersAt } from './chunk-servers-at.ts';
import type { ClientContext } from './client/context.ts';
import { checkChunkBytes, FileWriter } from './client/file-writer.ts';
import { glob } from './client/glob.ts';
import { Hedges } from './client/hedge.ts';
import { WriterPresence } from './client/lease.ts';
import { LocalChunks } from './client/local-chunks.ts';
import { LogWriter } from './client/log-writer.ts';
import { connectMasters } from './client/masters.ts';
import { type OpenedReader, openReader } from './client/open-reader.ts';
import { RandomFile } from './client/random-file.ts';
import { createReadStream, createWriteStream } from './client/streams.ts';
import {
  type ChunkLocation,
  type FileStat,
  type GlobOptions,
  type NodeSpace,
  type PanguClient,
  PanguError,
  type PanguFile,
  type PanguLog,
  type Publication,
  type Quota,
  type ReadOptions,
  type StreamOptions,
  type Usage,
  type WriteOptions,
} from './contract.ts';
import { checkAttribute } from './core/attributes.ts';
import { NodeFailures } from './core/node-failures.ts';
import { childPath, formatPath, parsePath } from './core/path.ts';
import { REPLICAS_MAX } from './master-contract.ts';

/** Gives the memory of what `read` or a read stream returned back for the next bytes: optional, for whoever moves much and holds it alone. */
export { recycleAttachment as recycleBytes } from '../kuafu/client.ts';
export { type FsckOptions, type FsckReport, fsck } from './client/fsck.ts';
export { pathResource } from './core/resources.ts';

export interface PanguOptions {
  cluster: string;
  kuafu: KuafuClient;
  /** Whose session keeps the leases of files that are written. Without it none are kept: another may open such a file for writing, and ends it. */
  nuwa?: NuwaClient;
  /** The node this process runs on: first replicas go there, reads prefer it. */
  node?: string;
  clock?: Clock;
  log?: Logger;
}

const READDIR_PAGE = 1_000;
const encoder = new TextEncoder();

export function createPangu({ cluster, kuafu, nuwa, node, clock = systemClock, log = silentLogger }: PanguOptions): PanguClient {
  const chunkServerAt = chunkServersAt(kuafu);
  const context: ClientContext = {
    masters: connectMasters(kuafu, cluster),
    chunkServerAt,
    node,
    clock,
    random: systemRandom,
    log,
    failures: new NodeFailures(),
    slow: new NodeFailures(),
    hedges: new Hedges(clock),
    local: new LocalChunks({ node, clock, log, chunkServerAt }),
    presence: new WriterPresence(nuwa, clock, log),
  };
  return new Client(cluster, context);
}

class Client implements PanguClient {
  readonly cluster: string;
  readonly #context: ClientContext;
  readonly #masters: ClientContext['masters'];

  constructor(cluster: string, context: ClientContext) {
    this.cluster = cluster;
    this.#context = context;
    this.#masters = context.masters;
  }

  async open(path: string, mode: 'r' | 'w' | 'wx' | 'a' | 'r+', options?: WriteOptions & ReadOptions): Promise<PanguFile> {
    if (mode === 'r') return this.#openReader(path, options);
    if (mode === 'r+') return RandomFile.open(this.#context, this.#path(path), options);
    if (options?.kind === 'random' && mode !== 'a') return RandomFile.create(this.#context, this.#path(path), mode, options);
    if (mode === 'a') return FileWriter.append(this.#context, this.#path(path), options);
    return FileWriter.create(this.#context, this.#path(path), mode, options);
  }

  openLog(path: string, options?: WriteOptions): Promise<PanguLog> {
    return LogWriter.open(this.#context, this.#path(path), options);
  }

  createReadStream(path: string, range?: StreamOptions): Readable {
    return createReadStream(() => this.#openReader(path), range);
  }

  createWriteStream(path: string, options: WriteOptions & { mode?: 'w' | 'wx' | 'a' } = {}): Writable {
    return createWriteStream(() => this.open(path, options.mode ?? 'w', options));
  }

  async readFile(path: string): Promise<Buffer> {
    const file = await this.#openReader(path);
    return file.read(0, file.length);
  }

  async writeFile(path: string, bytes: Uint8Array | string, options: WriteOptions & { mode?: 'w' | 'wx' } = {}): Promise<FileStat> {
    const file = await FileWriter.create(this.#context, this.#path(path), options.mode ?? 'w', options);
    try {
      await file.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
      return await file.close();
    } catch (error) {
      await file.abort().catch(() => {}); // the first error says more
      throw error;
    }
  }

  async stat(path: string): Promise<FileStat> {
    const canonical = this.#path(path);
    return { path: this.#plain(path), ...(await this.#masters.stat({ path: canonical })) };
  }

  async *readdir(path: string): AsyncIterable<FileStat> {
    const canonical = this.#path(path);
    let after: string | undefined;
    for (;;) {
      const { entries, more } = await this.#masters.readdir({ path: canonical, after, limit: READDIR_PAGE });
      for (const { name, ...stat } of entries) yield { path: childPath(this.#plain(path), name), ...stat };
      if (!more) return;
      after = entries.at(-1)!.name;
    }
  }

  async mkdir(path: string, { recursive = false }: { recursive?: boolean } = {}): Promise<void> {
    await this.#masters.mkdir({ requestId: newId(), path: this.#path(path), recursive });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#masters.rename({ requestId: newId(), from: this.#path(from), to: this.#path(to) });
  }

  async unlink(path: string, { skipTrash = false }: { skipTrash?: boolean } = {}): Promise<void> {
    await this.#masters.remove({ requestId: newId(), path: this.#path(path), what: 'file', force: false, skipTrash });
  }

  async rm(path: string, options: { recursive?: boolean; force?: boolean; skipTrash?: boolean } = {}): Promise<void> {
    const { recursive = false, force = false, skipTrash = false } = options;
    await this.#masters.remove({ requestId: newId(), path: this.#path(path), what: recursive ? 'tree' : 'one', force, skipTrash });
  }

  async chown(path: string, owner: string): Promise<void> {
    await this.#masters.setOwner({ path: this.#path(path), owner });
  }

  async utimes(path: string, { modifiedAtMs }: { modifiedAtMs: number }): Promise<void> {
    await this.#masters.setTimes({ path: this.#path(path), modifiedAtMs: Math.round(modifiedAtMs) });
  }

  async setChunkBytes(directory: string, chunkBytes: number | null): Promise<void> {
    if (chunkBytes !== null) checkChunkBytes(chunkBytes);
    await this.#masters.setChunkBytes({ path: this.#path(directory), chunkBytes: chunkBytes ?? 0 });
  }

  async setReplicas(path: string, replicas: number): Promise<void> {
    if (!Number.isInteger(replicas) || replicas < 1 || replicas > REPLICAS_MAX) throw new PanguError('EINVAL', `replicas is ${replicas}`);
    await this.#masters.setReplicas({ path: this.#path(path), replicas });
  }

  async attributes(path: string): Promise<Map<string, Uint8Array>> {
    const { attributes } = await this.#masters.attributes({ path: this.#path(path) });
    return new Map(attributes.map(({ name, value }) => [name, value]));
  }

  async setAttribute(path: string, name: string, value: Uint8Array | string): Promise<void> {
    const bytes = typeof value === 'string' ? encoder.encode(value) : value;
    checkAttribute(name, bytes);
    await this.#masters.setAttribute({ path: this.#path(path), name, value: new Uint8Array(bytes) });
  }

  async removeAttribute(path: string, name: string): Promise<void> {
    checkAttribute(name, new Uint8Array());
    await this.#masters.removeAttribute({ requestId: newId(), path: this.#path(path), name });
  }

  async setQuota(directory: string, quota: { files?: number; bytes?: number } | null): Promise<void> {
    const { files = null, bytes = null } = quota ?? {};
    if (quota && files === null && bytes === null) throw new PanguError('EINVAL', 'a quota limits files, bytes or both');
    for (const limit of [files, bytes])
      if (limit !== null && !(Number.isSafeInteger(limit) && limit >= 0)) throw new PanguError('EINVAL', `no limit: ${limit}`);
    await this.#masters.setQuota({ path: this.#path(directory), filesMax: files, bytesMax: bytes });
  }

  async quotas(path: string): Promise<Quota[]> {
    return (await this.#masters.quotasOf({ path: this.#path(path) })).quotas;
  }

  checkQuotas({ repair = false }: { repair?: boolean } = {}): ReturnType<PanguClient['checkQuotas']> {
    return this.#masters.checkQuotas({ repair });
  }

  usage(path: string): Promise<Usage> {
    return this.#masters.usage({ path: this.#path(path) });
  }

  async space(): Promise<NodeSpace[]> {
    return (await this.#masters.space({})).servers;
  }

  async emptyTrash({ user, olderThanMs = 0 }: { user?: string; olderThanMs?: number } = {}): Promise<number> {
    return (await this.#masters.emptyTrash({ user, olderThanMs })).emptied;
  }

  async trashRetentionMs(): Promise<number> {
    return (await this.#masters.trashSettings({})).retentionMs;
  }

  async setTrashRetentionMs(retentionMs: number): Promise<void> {
    await this.#masters.setTrashRetention({ retentionMs });
  }

  glob(pattern: string, options?: GlobOptions): Promise<FileStat[]> {
    return glob(this, pattern, options);
  }

  async locate(path: string): Promise<ChunkLocation[]> {
    const { chunks } = await this.#masters.open({ path: this.#path(path) });
    return chunks.map(({ chunk, offset, length, replicas }) => ({ chunk, offset, length, nodes: replicas.map(({ node }) => node) }));
  }

  async publish(publishId: string, publications: Publication[]): Promise<void> {
    await this.#masters.publish({
      publishId,
      publications: publications.map(({ directory, files, overwrite = false }) => ({
        directory: this.#path(directory),
        files: files.map(({ from, name }) => ({ from: this.#path(from), name })),
        overwrite,
      })),
    });
  }

  /** The connections are the Kuafu client's, whose owner closes it. Files that are still written are closed by masters. */
  close(): Promise<void> {
    this.#context.local.close();
    return this.#context.presence.leave();
  }

  #openReader(path: string, options?: ReadOptions): Promise<OpenedReader> {
    return openReader(this.#context, this.#path(path), options);
  }

  /** Checked here, so that a bad path is told without a call; a `/` at the end is kept. */
  #path(path: string): string {
    const { names, directory } = parsePath(path, this.cluster);
    return names.length > 0 && directory ? `${formatPath(names)}/` : formatPath(names);
  }

  #plain(path: string): string {
    return formatPath(parsePath(path, this.cluster).names);
  }
}
