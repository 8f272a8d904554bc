import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Replaces a file that only its owner may read: a reader sees the old one or the new one, never half of one.
 * Synchronous, so that two changes can't overtake each other and a process that was just started is written down before anything else happens.
 */
export function writePrivateFile(path: string, content: string): void {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    writeFileSync(aside, content, { mode: 0o600, flag: 'wx' });
    renameSync(aside, path);
  } finally {
    rmSync(aside, { force: true });
  }
}
