import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type Clock, systemClock } from '../../base/clock.ts';
import { ZhongkuiError } from '../contract.ts';
import {
  ANNOUNCED_MS,
  CERTIFICATE_BACKDATE_MS,
  CERTIFICATE_LIFE_MS,
  needsKey,
  ROOT_LIFE_MS,
  type RootTimes,
  rotationProblem,
  signingRoot,
  trustedRoots,
} from '../core/authority-rotation.ts';
import { isLabel, machineNameOf } from '../core/machine-names.ts';
import { assertPrivate, createFile, replaceFile, unlessGone } from './durable-file.ts';
import { newPrivateKeyPem } from './encodings.ts';
import { subjectAltName } from './request.ts';
import { ALGORITHM, cryptoKeysOf, x509 } from './x509.ts';

/**
 * The cluster's certificate authority: one file, `authority.json`, readable by its owner only, with all roots of which somebody may still hold a certificate (see
 * core/authority-rotation.ts). It is read anew for each signature, which are few, so that what another process changed in it holds at once.
 */
export interface Authority {
  readonly cluster: string;
  /** The root that signs now. Errors: CertificateRefused. */
  signing(): Promise<SigningRoot>;
  /** Those to be trusted now, announced ones among them. */
  trusted(): Promise<Root[]>;
  /** Errors: CertificateRefused. */
  issue(by: SigningRoot, subject: CertificateSubject): Promise<{ certificate: string; serial: string; notAfterMs: number }>;
  /** Announces the next root; it signs once everybody has heard of it. Errors: CertificateRefused, while the last exchange is under way. */
  rotate(): Promise<Root>;
  /** Throws away keys that will sign no more and roots that nobody needs trust any more. */
  tidy(): Promise<void>;
}

export interface Root extends RootTimes {
  /** PEM. */
  readonly certificate: string;
}

export interface SigningRoot extends Root {
  readonly key: KeyObject;
}

export interface CertificateSubject {
  readonly machine: string;
  readonly addresses: readonly string[];
  /** The public key, SPKI in DER. */
  readonly spki: Uint8Array;
}

const rootSchema = z.object({
  certificate: z.string(),
  /** PKCS#8 PEM, as long as it signs or will. */
  key: z.string().optional(),
  notBeforeMs: z.number(),
  notAfterMs: z.number(),
  signsFromMs: z.number(),
});
const fileSchema = z.object({ version: z.literal(1), cluster: z.string(), roots: z.array(rootSchema).min(1) });
type StoredRoot = z.infer<typeof rootSchema>;

export interface AuthorityOptions {
  directory: string;
  /** Whose it is to be where none is there: then it is founded. @default that of the authority in the directory */
  cluster?: string;
  clock?: Clock;
}

/** Opens the authority that is there, or founds it. Errors: KeyUnsafe, KeyMalformed, NoSuchKey. */
export async function openAuthority({ directory, cluster: given, clock = systemClock }: AuthorityOptions): Promise<Authority> {
  const path = join(directory, 'authority.json');
  if (given !== undefined) await found(path, given, clock);
  const { cluster } = await readAuthority(path);
  if (given !== undefined && given !== cluster)
    throw new ZhongkuiError('KeyMalformed', `${path} is the authority of ${cluster}, not of ${given}`);
  const roots = async (): Promise<StoredRoot[]> => (await readAuthority(path)).roots;
  const write = (kept: readonly StoredRoot[]): string => textOf(cluster, kept);

  return {
    cluster,
    async signing() {
      const root = signingRoot(await roots(), clock.nowMs());
      if (root?.key === undefined)
        throw new ZhongkuiError('CertificateRefused', 'no root of the authority may sign now: look at its clock and at its file');
      return { ...root, key: createPrivateKey(root.key) };
    },
    trusted: async () => trustedRoots(await roots(), clock.nowMs()).map(({ key: _, ...root }) => root),
    issue: (by, subject) => issue(by, cluster, subject, clock.nowMs()),
    async rotate() {
      const nowMs = clock.nowMs();
      const present = await roots();
      const problem = rotationProblem(present, nowMs);
      if (problem) throw new ZhongkuiError('CertificateRefused', `the authority's key cannot be exchanged now: ${problem}`);
      const next = await newRoot(cluster, nowMs, ANNOUNCED_MS);
      await replaceFile(path, write([...needed(present, nowMs), next]));
      const { key: _, ...announced } = next;
      return announced;
    },
    async tidy() {
      const present = await roots();
      const kept = needed(present, clock.nowMs());
      // Where all have run out, the file is left for people to look at.
      if (kept.length > 0 && write(kept) !== write(present)) await replaceFile(path, write(kept));
    },
  };
}

/** Unless it is there. */
async function found(path: string, cluster: string, clock: Clock): Promise<void> {
  if (!isLabel(cluster)) throw new ZhongkuiError('CertificateRefused', `${cluster} is no name for a cluster with certificates`);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  if (await stat(path).catch(unlessGone)) return;
  // Another process may do so at this moment: one of the two files stands, and both go by that.
  await createFile(path, textOf(cluster, [await newRoot(cluster, clock.nowMs(), 0)]));
}

const textOf = (cluster: string, roots: readonly StoredRoot[]): string => `${JSON.stringify({ version: 1, cluster, roots }, null, 2)}\n`;

async function readAuthority(path: string): Promise<z.infer<typeof fileSchema>> {
  const text = await readFile(path, 'utf8').catch(unlessGone);
  if (text === undefined) throw new ZhongkuiError('NoSuchKey', `there is no authority in ${dirname(path)}`);
  await assertPrivate(path);
  const parsed = fileSchema.safeParse(jsonOf(text));
  if (!parsed.success) throw new ZhongkuiError('KeyMalformed', `${path} is not a file of an authority`, { cause: parsed.error });
  return parsed.data;
}

function needed(roots: readonly StoredRoot[], nowMs: number): StoredRoot[] {
  return trustedRoots(roots, nowMs).map((root) => (needsKey(roots, root, nowMs) ? root : { ...root, key: undefined }));
}

async function newRoot(cluster: string, nowMs: number, announcedMs: number): Promise<StoredRoot> {
  const key = newPrivateKeyPem();
  const keys = await cryptoKeysOf(key);
  const signsFromMs = nowMs + announcedMs;
  // Whole seconds, as certificates have them.
  const notBeforeMs = Math.floor((nowMs - CERTIFICATE_BACKDATE_MS) / 1_000) * 1_000;
  const notAfterMs = notBeforeMs + ROOT_LIFE_MS;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: positive(newSerial()),
    // Each root has a name of its own, or a chain could be tried with the wrong one.
    name: `CN=feitian ${cluster} ${randomBytes(6).toString('hex')}`,
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key, notBeforeMs, notAfterMs, signsFromMs };
}

async function issue(
  by: SigningRoot,
  cluster: string,
  { machine, addresses, spki }: CertificateSubject,
  nowMs: number,
): Promise<{ certificate: string; serial: string; notAfterMs: number }> {
  const serial = newSerial();
  const notAfterMs = Math.floor((nowMs + CERTIFICATE_LIFE_MS) / 1_000) * 1_000;
  const keys = await cryptoKeysOf(by.key.export({ type: 'pkcs8', format: 'pem' }).toString());
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: positive(serial),
    issuer: new x509.X509Certificate(by.certificate).subject,
    subject: `CN=${machine}`,
    notBefore: new Date(nowMs - CERTIFICATE_BACKDATE_MS),
    notAfter: new Date(notAfterMs),
    publicKey: spki as never,
    signingKey: keys.privateKey,
    signingAlgorithm: ALGORITHM,
    // As RFC 5280, 4.2.1 wants them of a certificate that others check.
    extensions: [
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(spki as never),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      subjectAltName(machineNameOf(machine, cluster), addresses),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, serial, notAfterMs };
}

function newSerial(): string {
  return randomBytes(16).toString('hex');
}

/** A serial number is an integer above zero: with its first bit set it would be read as one below. */
const positive = (serial: string): string => `00${serial}`;

/** The root by which a machine's certificate is; undefined: by none of these, or not valid now. The name is not looked at. */
export function issuerOf<R extends Root>(certificate: X509Certificate, roots: readonly R[], nowMs: number, skewMs: number): R | undefined {
  if (certificate.ca || nowMs < Date.parse(certificate.validFrom) - skewMs || nowMs >= Date.parse(certificate.validTo) + skewMs)
    return undefined;
  return roots.find((root) => {
    const issuer = new X509Certificate(root.certificate);
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
