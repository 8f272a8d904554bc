import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ZhongkuiError } from '../contract.ts';
import type { Life } from '../core/certificate-renewal.ts';
import { machineIn } from '../core/machine-names.ts';
import { canonicalAddress, certificatesIn, spkiOf } from './encodings.ts';

/** A machine's certificate with its key and the roots it trusts, all checked to belong together. */
export interface MachineCertificate extends Life {
  readonly machine: string;
  readonly cluster: string;
  readonly addresses: readonly string[];
  readonly serial: string;
  /** PEM. */
  readonly certificate: string;
  readonly keyPem: string;
  readonly key: KeyObject;
  /** PEM of each root. */
  readonly roots: readonly string[];
}

/** `bundle`: the certificate, then the roots. `keys`: those that may be its own. Errors: KeyMalformed. */
export function readMachineCertificate(bundle: string, keys: readonly string[]): MachineCertificate {
  const [certificate, ...roots] = certificatesIn(bundle);
  if (certificate === undefined || roots.length === 0)
    throw malformed('there must be a certificate in the file, and the roots of the authority after it');
  let leaf: X509Certificate;
  let pairs: { keyPem: string; key: KeyObject }[];
  try {
    leaf = new X509Certificate(certificate);
    pairs = keys.map((keyPem) => ({ keyPem, key: createPrivateKey(keyPem) }));
  } catch (error) {
    throw malformed('the certificate or its key cannot be read', error);
  }
  const spki = spkiOf(leaf.publicKey);
  const pair = pairs.find(({ key }) => spkiOf(key).equals(spki));
  if (!pair) throw malformed('the key is not that of the certificate');
  const name = namesOf(leaf).find(({ type }) => type === 'DNS')?.value ?? '';
  const cluster = name.slice(name.indexOf('.') + 1);
  const subject = subjectOf(leaf, cluster);
  if (!subject) throw malformed('the certificate is not of a machine');
  return {
    ...subject,
    cluster,
    serial: leaf.serialNumber.toLowerCase(),
    certificate,
    ...pair,
    roots,
    notBeforeMs: Date.parse(leaf.validFrom),
    notAfterMs: Date.parse(leaf.validTo),
  };
}

/** Whose certificate this is; undefined: no machine's of this cluster. */
export function subjectOf(certificate: X509Certificate, cluster: string): { machine: string; addresses: string[] } | undefined {
  const names = namesOf(certificate);
  const [name, ...others] = names.filter(({ type }) => type === 'DNS');
  const machine = name && machineIn(name.value, cluster);
  if (machine === undefined || others.length > 0) return undefined;
  const addresses = names.flatMap(({ type, value }) => (type === 'IP Address' ? [canonicalAddress(value) ?? value] : []));
  return { machine, addresses };
}

/** Node writes `DNS:a, IP Address:10.0.0.1`, and puts quotes around what could be mistaken: the authority certifies nothing of that sort. */
function namesOf(certificate: X509Certificate): { type: string; value: string }[] {
  const text = certificate.subjectAltName ?? '';
  if (text.includes('"')) return [];
  return text.split(', ').map((part) => ({ type: part.slice(0, part.indexOf(':')), value: part.slice(part.indexOf(':') + 1) }));
}

function malformed(reason: string, cause?: unknown): ZhongkuiError {
  return new ZhongkuiError('KeyMalformed', reason, { cause });
}
