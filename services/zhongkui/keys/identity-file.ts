import { messageOf } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import type { Challenge, Credentials, Identity } from '../../kuafu/guard.ts';
import { type Grant, ZhongkuiError } from '../contract.ts';
import { decodeToken } from '../tokens/decode-token.ts';
import type { Holding } from '../tokens/delegate.ts';
import { signProof } from '../tokens/proof.ts';
import { watchFile } from './file-watch.ts';
import { formatPrivateKey, type KeyPair, parsePrivateKey } from './key-pair.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

/**
 * A private key and the token that was given to it, in one file, so that both change in one step: a block of PKCS#8 in PEM, as OpenSSL reads and writes it, and a
 * block of our own with the token. A file without the second is somebody without rights.
 */
const BEGIN = '-----BEGIN FEITIAN TOKEN-----';
const END = '-----END FEITIAN TOKEN-----';
const TOKEN_BLOCK = new RegExp(`${BEGIN}\\s([A-Za-z0-9_.~\\s-]*?)\\s${END}`);

export interface KeyFile {
  readonly keyPair: KeyPair;
  readonly token?: string;
}

export function formatKeyFile({ keyPair, token }: KeyFile): string {
  const block = token === undefined ? '' : `${BEGIN}\n${token.replace(/.{1,64}/g, '$&\n')}${END}\n`;
  return formatPrivateKey(keyPair) + block;
}

export function parseKeyFile(text: string): KeyFile {
  const keyPair = parsePrivateKey(text);
  const block = TOKEN_BLOCK.exec(text);
  if (!block) {
    if (text.includes('FEITIAN TOKEN')) throw new ZhongkuiError('KeyMalformed', 'the block with the token is damaged');
    return { keyPair };
  }
  return { keyPair, token: block[1]!.replace(/\s/g, '') };
}

/** Errors: KeyUnsafe, NoSuchKey, KeyMalformed. */
export async function readKeyFile(path: string): Promise<KeyFile> {
  const text = await readPrivateFile(path);
  try {
    return parseKeyFile(text);
  } catch (error) {
    throw error instanceof ZhongkuiError ? new ZhongkuiError(error.code, `${path}: ${error.reason}`) : error;
  }
}

export function writeKeyFile(path: string, file: KeyFile, options?: { fresh?: boolean }): Promise<void> {
  return writePrivateFile(path, formatKeyFile(file), options);
}

/** Somebody who can show who it is, and give away part of what it may do. */
export interface HeldIdentity extends Identity, Holding {
  readonly name: string;
  readonly cluster: string;
  readonly grant: Grant;
}

/** Of a key pair and a token that are at hand. Errors: TokenMalformed, WrongHolder. */
export function identityOf({ keyPair, token }: Holding, version = 1): HeldIdentity {
  const { grant, cluster } = decodeToken(token);
  if (grant.holder !== keyPair.fingerprint) throw new ZhongkuiError('WrongHolder', `the token of ${grant.name} was given to another key`);
  return {
    version,
    keyPair,
    token,
    cluster,
    grant,
    name: grant.name,
    present(challenge: Challenge): Credentials {
      // A server of another cluster has no use for the proof but to show it elsewhere.
      if (challenge.cluster !== cluster)
        throw new ZhongkuiError(
          'WrongHolder',
          `${grant.name} belongs to cluster ${cluster}, and the server says that it is of another one`,
        );
      return { token, proof: signProof(token, keyPair, challenge) };
    },
  };
}

export interface FileIdentity extends HeldIdentity {
  /** Looks at the file now. A file that is none leaves all as it was, and is logged. */
  reload(): Promise<void>;
  /** Called after each change. Returns how to stop listening. */
  onChanged(listener: () => void): () => void;
  close(): void;
}

/** The identity that a file holds, and goes on holding: a new key or token is taken up when the file changes. Errors: as readKeyFile, and NoSuchKey without a token. */
export async function openIdentity(path: string, options: { log?: Logger; watch?: boolean } = {}): Promise<FileIdentity> {
  const { log = silentLogger, watch = true } = options;
  let held = identityOf(await readHolding(path));
  let problem: string | undefined;
  const listeners = new Set<() => void>();
  let loading: Promise<void> = Promise.resolve();
  const load = async (): Promise<void> => {
    try {
      const found = await readHolding(path);
      problem = undefined;
      if (found.token === held.token && found.keyPair.fingerprint === held.keyPair.fingerprint) return;
      held = identityOf(found, held.version + 1);
      log.info({ file: path, who: held.name, key: held.grant.holder, version: held.version }, 'zhongkui.identity.changed');
      for (const listener of listeners) listener();
    } catch (error) {
      if (messageOf(error) !== problem) log.warn({ file: path, problem: messageOf(error) }, 'zhongkui.identity.refused');
      problem = messageOf(error);
    }
  };
  const reload = (): Promise<void> => (loading = loading.then(load));
  const stop = watch ? watchFile(path, () => void reload()) : () => {};
  return {
    get version() {
      return held.version;
    },
    get keyPair() {
      return held.keyPair;
    },
    get token() {
      return held.token;
    },
    get name() {
      return held.name;
    },
    get cluster() {
      return held.cluster;
    },
    get grant() {
      return held.grant;
    },
    present: (challenge) => held.present(challenge),
    reload,
    onChanged(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: stop,
  };
}

export async function readHolding(path: string): Promise<Holding> {
  const { keyPair, token } = await readKeyFile(path);
  if (token === undefined) throw new ZhongkuiError('NoSuchKey', `${path} holds a key and no token: feitian key grant gives it one`);
  return { keyPair, token };
}
