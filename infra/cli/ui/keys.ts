/** How the verbs of `feitian key` find what people name. */
import { readFile } from 'node:fs/promises';
import { hasCode } from '../../../services/base/errors.ts';
import {
  type KeyDirectory,
  type KeyFile,
  type PublicKey,
  parseKeyFile,
  parsePublicKey,
  readKeyFile,
} from '../../../services/zhongkui/client.ts';
import { UsageError } from './action.ts';

/** `alice` is `user/alice`. */
export const nameOf = (who: string): string => (/^(user|service)\//.test(who) ? who : `user/${who}`);

export const isPath = (who: string): boolean => /^[./~]/.test(who) || /\.(pem|pub|token)$/.test(who);

/** The file of a name, or the file that was named. */
export function placeOf(keys: KeyDirectory, who: string): string {
  if (who === 'issuer') return keys.issuerFile;
  return isPath(who) ? who : keys.fileOf(nameOf(who));
}

export interface Holder {
  holder: PublicKey;
  /** Where its private half is, if that is here. */
  file?: string;
  name?: string;
}

/** Who is to hold a token: a key that is here, or a public one. */
export async function holderOf(keys: KeyDirectory, who: string): Promise<Holder> {
  const path = placeOf(keys, who);
  const text = isPath(who) ? await readFile(path, 'utf8').catch(() => '') : '';
  if (text.includes('-----BEGIN PUBLIC KEY-----')) return { holder: parsePublicKey(text) };
  const { keyPair } = await readKeyFile(path).catch((error: unknown) => {
    if (hasCode(error, 'NoSuchKey')) throw new Error(`${path} is not there: feitian key create makes a key`);
    throw error;
  });
  return { holder: keyPair, file: path, ...(isPath(who) ? {} : { name: nameOf(who) }) };
}

/** What is revoked: the key of a name or file, a key by its fingerprint, a token by its id. */
export async function revocableOf(keys: KeyDirectory, who: string): Promise<{ of: string; name?: string; expiresAtMs?: number }> {
  const issued = await keys.store.list();
  const token = issued.find(({ id, issuer }) => id === who && issuer !== '');
  if (token) return { of: token.id, name: token.name, expiresAtMs: token.expiresAtMs };
  const ofHolder = issued.find(({ holder }) => holder === who);
  if (ofHolder) return { of: who, name: ofHolder.name };
  try {
    const { keyPair } = await readKeyFile(placeOf(keys, who));
    return { of: keyPair.fingerprint, ...(isPath(who) ? {} : { name: who === 'issuer' ? who : nameOf(who) }) };
  } catch (error) {
    if (!hasCode(error, 'NoSuchKey', 'KeyMalformed')) throw error;
  }
  // Ids and fingerprints of tokens that were delegated are known to nobody here.
  if (/^([0-9a-z]{16}|[A-Za-z0-9_-]{43})$/.test(who)) return { of: who };
  throw new UsageError(`${who} is no key that is here, no fingerprint and no id of a token: see feitian key list --issued`);
}

export type Subject = { kind: 'key'; file: KeyFile } | { kind: 'public'; key: PublicKey } | { kind: 'token'; token: string };

const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+(~[\w-]+\.[\w-]+\.[\w-]+)*$/;

/** Whatever there is to be shown: a key that is here, a file of any kind, a token in person. */
export async function subjectOf(keys: KeyDirectory, what: string): Promise<Subject> {
  if (TOKEN.test(what)) return { kind: 'token', token: what };
  const path = what === '-' ? what : placeOf(keys, what);
  const text = (await textFrom(path)).trim();
  if (TOKEN.test(text)) return { kind: 'token', token: text };
  if (text.includes('-----BEGIN PUBLIC KEY-----')) return { kind: 'public', key: parsePublicKey(text) };
  // Through the door that looks at the file's rights.
  return { kind: 'key', file: what === '-' ? parseKeyFile(text) : await readKeyFile(path) };
}

/** A file, or standard input. */
export async function textFrom(source: string): Promise<string> {
  if (source !== '-') {
    return await readFile(source, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new Error(`${source} ${error.code === 'ENOENT' ? 'is not there' : `cannot be read: ${error.message}`}`, { cause: error });
    });
  }
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(Buffer.from(piece as Uint8Array));
  return Buffer.concat(pieces).toString('utf8');
}
