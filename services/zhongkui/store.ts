import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { OPERATIONS } from './contract.ts';
import { writePrivateFile } from './keys/private-file.ts';

/** What was issued and revoked, for people who must know who may do what. No secret is in it: neither a token nor a private key. */
const recordSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** Fingerprints. */
  holder: z.string(),
  issuer: z.string(),
  capabilities: z.array(
    z.object({
      resource: z.string(),
      operations: z.array(z.enum(OPERATIONS)),
      limits: z.object({ callsPerSecond: z.number().optional(), bytesPerCall: z.number().optional() }).optional(),
    }),
  ),
  issuedAtMs: z.number(),
  expiresAtMs: z.number(),
  revoked: z.object({ fromMs: z.number(), reason: z.string() }).optional(),
});
export type IssuedRecord = z.infer<typeof recordSchema>;

export interface IssuedStore {
  put(record: IssuedRecord): Promise<void>;
  /** By the time of their issue. */
  list(): Promise<IssuedRecord[]>;
  /** Forgets records of tokens that ended before. */
  removeEnded(beforeMs: number): Promise<void>;
}

/** One file for each record, so that several programs may write at once and none takes back what another wrote. */
export function fileStore(directory: string): IssuedStore {
  const records = async (): Promise<IssuedRecord[]> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const names = (await readdir(directory)).filter((name) => /^[A-Za-z0-9_-]+\.json$/.test(name));
    const read = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8').catch(() => '')));
    return read.flatMap((text) => recordOf(text) ?? []).sort((a, b) => a.issuedAtMs - b.issuedAtMs || (a.id < b.id ? -1 : 1));
  };
  return {
    put: (record) => writePrivateFile(join(directory, `${record.id}.json`), `${JSON.stringify(recordSchema.parse(record), null, 2)}\n`),
    list: records,
    async removeEnded(beforeMs) {
      for (const { id, expiresAtMs } of await records())
        if (expiresAtMs < beforeMs) await rm(join(directory, `${id}.json`), { force: true });
    },
  };
}

export function memoryStore(): IssuedStore {
  const records = new Map<string, IssuedRecord>();
  return {
    async put(record) {
      records.set(record.id, recordSchema.parse(record));
    },
    list: async () => [...records.values()],
    async removeEnded(beforeMs) {
      for (const [id, { expiresAtMs }] of records) if (expiresAtMs < beforeMs) records.delete(id);
    },
  };
}

function recordOf(text: string): IssuedRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
