import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Appends of so many bytes that the disk takes in a second when each is synced: what no service that syncs each change by itself can pass. */
export function syncsPerSecond(dir: string, valueBytes: number, seconds: number): number {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'sync-probe');
  const file = openSync(path, 'a');
  const bytes = Buffer.alloc(valueBytes, 'v');
  try {
    let syncs = 0;
    const startedMs = performance.now();
    while (performance.now() - startedMs < seconds * 1000) {
      writeSync(file, bytes);
      fdatasyncSync(file);
      syncs++;
    }
    return syncs / ((performance.now() - startedMs) / 1000);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
