/** Releases on this node's disk: fetched from Pangu, checked and unpacked side by side, and removed when nobody goes back to them. */
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../base/backoff.ts';
import { hasCode, messageOf } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { systemRandom } from '../../base/random.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import { DayuError, DESCRIPTOR_FILE, type Deployment, packagePath } from '../contract.ts';
import { parseDescriptor } from '../core/descriptor.ts';
import { unpackPackage } from '../package/unpack.ts';
import { storageFailure } from '../storage-failure.ts';
import type { Places } from './places.ts';

/** About 20 s in all: longer than a master of Pangu or a chunk server needs to come back. */
const FETCH_TRIES_MAX = 8;
const RETRY = { firstMs: 200, maxMs: 5_000 };
/** Failures of a server that is away for now. */
const AWAY = ['Unavailable', 'DeadlineExceeded', 'Overloaded', 'EIO'];

/** Resolves when the release lies unpacked in its place. Errors: BadPackage, StorageFailed, the signal's reason. */
export async function ensureRelease(
  pangu: PanguClient,
  places: Places,
  release: Deployment['release'],
  signal: AbortSignal,
): Promise<void> {
  const { digest } = release;
  const into = places.release(digest);
  if (await stat(into).catch(() => undefined)) return;
  const file = join(places.releases, `${digest}.${newId()}.tgz`);
  try {
    await mkdir(places.releases, { recursive: true });
    await fetch(pangu, release, file, signal);
    await unpackPackage(file, into, digest);
    await checkDescriptor(into, release);
  } catch (error) {
    signal.throwIfAborted();
    throw storageFailure(error, `fetch package ${digest} of ${release.application} ${release.version}`);
  } finally {
    await rm(file, { force: true });
  }
}

async function fetch(
  pangu: PanguClient,
  { digest, application, version }: Deployment['release'],
  file: string,
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await pipeline(pangu.createReadStream(packagePath(digest)), createWriteStream(file), { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (hasCode(error, 'ENOENT'))
        throw new DayuError('BadPackage', `the package of ${application} ${version} is not in Pangu: ${messageOf(error)}`, {
          cause: error,
        });
      if (!hasCode(error, ...AWAY) || tries === FETCH_TRIES_MAX) throw error;
      await delay(backoffMs(tries, systemRandom, RETRY), undefined, { signal }).catch(() => {});
    }
  }
}

/** A release that was registered with another package's digest is a mistake that every node would otherwise run. */
async function checkDescriptor(directory: string, { application, version, digest }: Deployment['release']): Promise<void> {
  const text = await readFile(join(directory, DESCRIPTOR_FILE), 'utf8').catch(() => '');
  const parsed = parseDescriptor(parseJson(text));
  const found = parsed.ok ? `${parsed.descriptor.name} ${parsed.descriptor.version}` : `without a good ${DESCRIPTOR_FILE}`;
  if (found === `${application} ${version}`) return;
  await rm(directory, { recursive: true, force: true });
  throw new DayuError('BadPackage', `package ${digest} is ${found}, not ${application} ${version}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Removes all but these, and whatever half fetched or half unpacked an agent left that died. */
export async function keepReleases(places: Places, digests: readonly string[]): Promise<void> {
  const names = await readdir(places.releases).catch(() => []);
  const old = names.filter((name) => !digests.includes(name));
  await Promise.all(old.map((name) => rm(join(places.releases, name), { recursive: true, force: true, maxRetries: 3 })));
}
