/**
 * Packages of jobs, as `.tgz` files in Pangu. Each is fetched once per node: the local copy is named for the path, the time and the size of
 * the file, so a new file under an old name is a new package.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar';
import { hasCode, messageOf } from '../../base/errors.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import { FuxiError } from '../contract.ts';
import { storageFailure } from '../runner/failures.ts';

export class Packages {
  readonly #directory: string;
  readonly #pangu: PanguClient;
  readonly #fetching = new Map<string, Promise<string>>();

  constructor(directory: string, pangu: PanguClient) {
    this.#directory = directory;
    this.#pangu = pangu;
  }

  async unpack(path: string, into: string): Promise<void> {
    const file = await this.#local(path);
    try {
      // `strict`: an absolute path, one with "..", or a broken archive is an error and not a warning.
      await extract({ file, cwd: into, strict: true, preserveOwner: false });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw storageFailure(error, `unpack ${path} on this machine`);
      throw new FuxiError('ProgramNotFound', `the package ${path} cannot be unpacked: ${messageOf(error)}`, { cause: error });
    }
  }

  async #local(path: string): Promise<string> {
    let found: Awaited<ReturnType<PanguClient['stat']>>;
    try {
      found = await this.#pangu.stat(path);
    } catch (error) {
      throw packageFailure(error, path);
    }
    if (found.type !== 'file') throw new FuxiError('ProgramNotFound', `the package ${path} is a directory, not a .tgz file`);
    const name = createHash('sha256').update(`${found.path}\n${found.modifiedAtMs}\n${found.size}`).digest('hex').slice(0, 32);
    let fetching = this.#fetching.get(name);
    if (!fetching) {
      fetching = this.#fetch(path, join(this.#directory, `${name}.tgz`)).finally(() => this.#fetching.delete(name));
      this.#fetching.set(name, fetching);
    }
    return fetching;
  }

  async #fetch(path: string, file: string): Promise<string> {
    if (await stat(file).catch(() => undefined)) {
      await utimes(file, new Date(), new Date()); // in use, so not to be removed yet
      return file;
    }
    await mkdir(this.#directory, { recursive: true });
    const aside = `${file}.new`;
    try {
      await pipeline(this.#pangu.createReadStream(path), createWriteStream(aside));
      await rename(aside, file);
    } catch (error) {
      await rm(aside, { force: true });
      throw packageFailure(error, path);
    }
    return file;
  }
}

function packageFailure(error: unknown, path: string): FuxiError {
  if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR', 'EINVAL'))
    return new FuxiError('ProgramNotFound', `there is no package ${path}: ${messageOf(error)}`, { cause: error });
  return storageFailure(error, `fetch the package ${path}`);
}
