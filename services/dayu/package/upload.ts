import { hasCode } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import { packagePath } from '../contract.ts';
import type { Packed } from './pack.ts';

/** Puts a package where nodes look for it: whole or not at all, and once only, for its name is its content. @returns whether it was not there yet. */
export async function uploadPackage(
  pangu: PanguClient,
  { archive, digest, bytes }: Pick<Packed, 'archive' | 'digest' | 'bytes'>,
): Promise<boolean> {
  const path = packagePath(digest);
  if ((await sizeOf(pangu, path)) === bytes) return false;
  const aside = `${path}.${newId()}`;
  try {
    await pangu.writeFile(aside, archive, { parents: true });
    await pangu.rename(aside, path);
  } catch (error) {
    await pangu.rm(aside, { force: true, skipTrash: true }).catch(() => {}); // the first error says more
    throw error;
  }
  return true;
}

async function sizeOf(pangu: PanguClient, path: string): Promise<number | undefined> {
  try {
    return (await pangu.stat(path)).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
