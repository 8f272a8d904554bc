import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ZhongkuiError } from '../contract.ts';
import type { MachineRecord, TokenRecord, TokenUse } from '../core/admission.ts';
import { isTokenId } from '../core/join-token.ts';
import { isLabel } from '../core/machine-names.ts';
import { createFile, replaceFile, unlessGone } from './durable-file.ts';

/**
 * What the authority keeps besides its key. No secret is in it: of a token there is the public half of its key.
 *
 * Invariants: a token has at most one use, whichever processes claim it at whatever moment; what was answered is there after a crash.
 */
export interface JoinStore {
  add(token: TokenRecord): Promise<void>;
  find(id: string): Promise<TokenRecord | undefined>;
  useOf(id: string): Promise<TokenUse | undefined>;
  /** Makes this the token's use, unless it has one. @returns the one it has. */
  claim(id: string, use: TokenUse): Promise<TokenUse>;
  machines(): Promise<MachineRecord[]>;
  /** There is one record for each machine. */
  putMachine(record: MachineRecord): Promise<void>;
  tokens(): Promise<{ token: TokenRecord; use: TokenUse | undefined }[]>;
  /** Forgets tokens that expired before this. */
  forgetExpired(beforeMs: number): Promise<void>;
}

const tokenSchema = z.object({
  id: z.string(),
  key: z.string(),
  machine: z.string().optional(),
  addresses: z.array(z.string()).optional(),
  createdAtMs: z.number(),
  expiresAtMs: z.number(),
});
const useSchema = z.object({ key: z.string(), machine: z.string(), atMs: z.number() });
const machineSchema = z.object({
  machine: z.string(),
  addresses: z.array(z.string()),
  token: z.string(),
  serial: z.string(),
  notAfterMs: z.number(),
  barred: z.string().optional(),
});

/**
 * In files of a directory: `tokens/<id>.json`, `tokens/<id>.used.json`, `machines/<machine>.json`. Nothing is kept in memory, so a token made by the command on the
 * authority's machine is known to a server that runs. A claim is a file that is created only where there is none.
 */
export async function openJoinStore(directory: string): Promise<JoinStore> {
  const tokens = join(directory, 'tokens');
  const machines = join(directory, 'machines');
  await mkdir(tokens, { recursive: true, mode: 0o700 });
  await mkdir(machines, { recursive: true, mode: 0o700 });
  const tokenFile = (id: string): string => join(tokens, `${checked(id, isTokenId)}.json`);
  const useFile = (id: string): string => join(tokens, `${checked(id, isTokenId)}.used.json`);
  const idsOfTokens = async (): Promise<string[]> =>
    (await readdir(tokens)).map((name) => name.replace(/\.json$/, '')).filter((id) => isTokenId(id));

  const store: JoinStore = {
    async add(token) {
      if (!(await createFile(tokenFile(token.id), textOf(token)))) throw new Error(`there is a join token ${token.id} already`);
    },
    find: (id) => read(tokenFile(id), tokenSchema),
    useOf: (id) => read(useFile(id), useSchema),
    async claim(id, use) {
      if (await createFile(useFile(id), textOf(use))) return use;
      const first = await read(useFile(id), useSchema);
      if (!first) throw new ZhongkuiError('JoinRefused', 'the token has expired');
      return first;
    },
    async machines() {
      const names = (await readdir(machines)).map((name) => name.replace(/\.json$/, '')).filter(isLabel);
      const records = await Promise.all(names.map((name) => read(join(machines, `${name}.json`), machineSchema)));
      return records.flatMap((record) => record ?? []);
    },
    putMachine: (record) => replaceFile(join(machines, `${checked(record.machine, isLabel)}.json`), textOf(record)),
    async tokens() {
      const all = await Promise.all((await idsOfTokens()).map(async (id) => ({ token: await store.find(id), use: await store.useOf(id) })));
      return all.flatMap(({ token, use }) => (token ? [{ token, use }] : []));
    },
    async forgetExpired(beforeMs) {
      for (const { token } of await store.tokens()) {
        if (token.expiresAtMs >= beforeMs) continue;
        // The token first: a use that is left over does no harm, a token whose use is gone would be good again.
        await rm(tokenFile(token.id), { force: true });
        await rm(useFile(token.id), { force: true });
      }
    },
  };
  return store;
}

/** What becomes a file's name has been checked by whoever asks; this is for the day that somebody does not. */
function checked(name: string, isOne: (name: string) => boolean): string {
  if (!isOne(name)) throw new ZhongkuiError('JoinRefused', 'that is no name of a token or a machine');
  return name;
}

const textOf = (value: unknown): string => `${JSON.stringify(value)}\n`;

async function read<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch(unlessGone);
  if (text === undefined) return undefined;
  return schema.parse(JSON.parse(text));
}
