import { z } from 'zod';
import { messageOf } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { ZhongkuiError } from '../contract.ts';
import { watchFile } from './file-watch.ts';
import { type PublicKey, publicKeyFromX } from './key-pair.ts';
import { readTrustedFile, writePrivateFile } from './private-file.ts';

/**
 * Whose tokens count: the public keys of the issuers, as a JWK Set (RFC 7517) with `kid` and, for a key that was replaced, `exp`: until then both count, so that
 * a new issuer's key is known everywhere before the old one goes. Beside them stand the certificates of the cluster's authority, where it has one.
 */
export const TRUSTED_KEYS_MAX = 16;

const schema = z.object({
  cluster: z.string(),
  keys: z
    .array(
      z.object({
        kty: z.literal('OKP'),
        crv: z.literal('Ed25519'),
        x: z.string(),
        kid: z.string(),
        /** Seconds, as in tokens. */
        exp: z.number().optional(),
      }),
    )
    .max(TRUSTED_KEYS_MAX),
  certificates: z.array(z.string()).optional(),
});

export interface TrustedKey extends PublicKey {
  /** From then on it is trusted no more. */
  readonly untilMs?: number;
}

export interface TrustFile {
  readonly cluster: string;
  readonly keys: readonly TrustedKey[];
  /** PEM. */
  readonly certificates: readonly string[];
}

export function parseTrustFile(text: string): TrustFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ZhongkuiError('KeyMalformed', 'the file of trusted keys is no JSON');
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new ZhongkuiError('KeyMalformed', `the file of trusted keys is none: ${z.prettifyError(parsed.error)}`);
  const { cluster, keys, certificates = [] } = parsed.data;
  return {
    cluster,
    certificates,
    keys: keys.map(({ x, kid, exp }) => {
      const key = publicKeyFromX(x);
      if (key.fingerprint !== kid) throw new ZhongkuiError('KeyMalformed', `a trusted key is not the one that its kid ${kid} names`);
      return { ...key, ...(exp === undefined ? {} : { untilMs: exp * 1000 }) };
    }),
  };
}

export function formatTrustFile({ cluster, keys, certificates }: TrustFile): string {
  const jwks = keys.map(({ x, fingerprint, untilMs }) => ({
    kty: 'OKP',
    crv: 'Ed25519',
    x,
    kid: fingerprint,
    ...(untilMs === undefined ? {} : { exp: Math.ceil(untilMs / 1000) }),
  }));
  return `${JSON.stringify({ cluster, keys: jwks, ...(certificates.length > 0 ? { certificates } : {}) }, null, 2)}\n`;
}

export async function readTrustFile(path: string): Promise<TrustFile> {
  return parseTrustFile(await readTrustedFile(path));
}

export function writeTrustFile(path: string, trust: TrustFile): Promise<void> {
  return writePrivateFile(path, formatTrustFile(trust), { mode: 0o644 });
}

/** Whose tokens a guard takes. */
export interface Trust {
  /** Changes when something else may be trusted. */
  readonly version: number;
  issuer(fingerprint: string): TrustedKey | undefined;
}

export function trustOf(keys: readonly TrustedKey[]): Trust {
  const known = new Map(keys.map((key) => [key.fingerprint, key]));
  return { version: 1, issuer: (fingerprint) => known.get(fingerprint) };
}

export interface OpenTrust extends Trust {
  readonly file: TrustFile;
  reload(): Promise<void>;
  close(): void;
}

/** As the file says, and goes on saying. A file that is none leaves all as it was, and is logged. */
export async function openTrust(path: string, options: { log?: Logger; watch?: boolean } = {}): Promise<OpenTrust> {
  const { log = silentLogger, watch = true } = options;
  let file = await readTrustFile(path);
  let trust = trustOf(file.keys);
  let version = 1;
  let loading: Promise<void> = Promise.resolve();
  const load = async (): Promise<void> => {
    try {
      const found = await readTrustFile(path);
      if (formatTrustFile(found) === formatTrustFile(file)) return;
      file = found;
      trust = trustOf(found.keys);
      version++;
      log.info({ file: path, keys: found.keys.map(({ fingerprint }) => fingerprint) }, 'zhongkui.trust.changed');
    } catch (error) {
      log.warn({ file: path, problem: messageOf(error) }, 'zhongkui.trust.refused');
    }
  };
  const reload = (): Promise<void> => (loading = loading.then(load));
  const stop = watch ? watchFile(path, () => void reload()) : () => {};
  return {
    get version() {
      return version;
    },
    get file() {
      return file;
    },
    issuer: (fingerprint) => trust.issuer(fingerprint),
    reload,
    close: stop,
  };
}
