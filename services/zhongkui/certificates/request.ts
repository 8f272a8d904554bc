import { createPublicKey } from 'node:crypto';
import { messageOf } from '../../base/errors.ts';
import { ZhongkuiError } from '../contract.ts';
import { type Requested, requestProblem } from '../core/admission.ts';
import { isDer } from '../core/der.ts';
import { machineNameOf } from '../core/machine-names.ts';
import { CSR_BYTES_MAX } from '../join-contract.ts';
import { canonicalAddress, fingerprintOf, isP256 } from './encodings.ts';
import { ALGORITHM, cryptoKeysOf, x509 } from './x509.ts';

/** A request for a certificate (PKCS#10, DER) by the holder of a key. */
export async function createRequest(
  privateKeyPem: string,
  { machine, cluster, addresses }: { machine: string; cluster: string; addresses: readonly string[] },
): Promise<Buffer> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${machine}`,
    keys: await cryptoKeysOf(privateKeyPem),
    signingAlgorithm: ALGORITHM,
    extensions: [subjectAltName(machineNameOf(machine, cluster), addresses)],
  });
  return Buffer.from(request.rawData);
}

export function subjectAltName(name: string, addresses: readonly string[]): InstanceType<typeof x509.SubjectAlternativeNameExtension> {
  return new x509.SubjectAlternativeNameExtension([
    { type: 'dns', value: name },
    ...addresses.map((value) => ({ type: 'ip' as const, value })),
  ]);
}

/** What a request asks for, and the key it is for. */
export interface ReadRequest extends Requested {
  readonly spki: Uint8Array;
}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SUBJECT_ALT_NAME = '2.5.29.17';

/** Reads what anybody may have sent. Errors: CertificateRefused, and nothing else. */
export async function readRequest(der: Uint8Array, cluster: string): Promise<ReadRequest> {
  if (der.length > CSR_BYTES_MAX) throw refused(`it has more than ${CSR_BYTES_MAX} bytes`);
  let read: ReadRequest | string;
  try {
    read = await parse(der);
  } catch (error) {
    throw refused(`it cannot be read: ${messageOf(error).slice(0, 200)}`, error);
  }
  const problem = typeof read === 'string' ? read : requestProblem(read, cluster);
  if (problem) throw refused(problem);
  return read as ReadRequest;
}

/** @returns a text: what is wrong. */
async function parse(der: Uint8Array): Promise<ReadRequest | string> {
  // Bytes after the end, or a length that is written in another way than it must be: two texts for one request.
  if (!isDer(der)) return 'it is no DER';
  const request = new x509.Pkcs10CertificateRequest(der as never);
  const spki = Buffer.from(request.publicKey.rawData);
  if (!isP256(createPublicKey({ key: spki, type: 'spki', format: 'der' }))) return 'its key must be of P-256';
  if (!isExact(der, Buffer.from(request.signature))) return 'its signature is not written as DER wants it';
  if (!(await request.verify())) return 'it is not signed by the key it is for';

  if (request.attributes.some(({ type }) => type !== EXTENSION_REQUEST)) return 'it asks for more than names';
  const [names, ...others] = request.extensions;
  if (names?.type !== SUBJECT_ALT_NAME || others.length > 0) return 'it must ask for names and nothing else';
  const items = new x509.SubjectAlternativeNameExtension(names.rawData as never).names.items;
  const addresses: string[] = [];
  for (const { type, value } of items) {
    if (type !== 'dns' && type !== 'ip') return `it asks for a name of type ${type}`;
    if (type !== 'ip') continue;
    const address = canonicalAddress(value);
    if (address === undefined) return `it asks for ${JSON.stringify(value.slice(0, 60))}, which is no address`;
    addresses.push(address);
  }
  const [machine, ...more] = request.subjectName.getField('CN');
  if (machine === undefined || more.length > 0 || request.subject !== `CN=${machine}`) return 'its subject must be CN=<machine>';
  return { machine, names: items.flatMap(({ type, value }) => (type === 'dns' ? [value] : [])), addresses, key: fingerprintOf(spki), spki };
}

/** ecdsa-with-SHA256 (RFC 5758), the only algorithm for a key of P-256 here. */
const ALGORITHM_DER = Buffer.from('300a06082a8648ce3d040302', 'hex');

/**
 * Whether what the signature does not cover is written in the one way that DER allows: the frame around all, the algorithm, the signature itself. The library reads a
 * signature whose lengths do not add up, too: then there would be two texts for one request.
 */
function isExact(der: Uint8Array, signature: Buffer): boolean {
  const end = Buffer.concat([ALGORITHM_DER, Buffer.from([0x03, signature.length + 1, 0x00]), signature]);
  return contentOf(der) !== undefined && end.equals(der.subarray(-end.length)) && isSignature(signature);
}

/** Of one SEQUENCE that is all there is, its length in the shortest form. */
function contentOf(der: Uint8Array): Uint8Array | undefined {
  const lengthBytes = der[1]! < 0x80 ? 0 : der[1]! - 0x80;
  if (der[0] !== 0x30 || lengthBytes > 2) return undefined;
  const content = der.subarray(2 + lengthBytes);
  const length = lengthBytes === 0 ? der[1]! : Buffer.from(der.buffer, der.byteOffset).readUIntBE(2, lengthBytes);
  const shortest = content.length < 0x80 ? 0 : content.length < 0x100 ? 1 : 2;
  return length === content.length && lengthBytes === shortest ? content : undefined;
}

/** Two positive integers (RFC 3279, 2.2.3), of 33 bytes at most. */
function isSignature(der: Uint8Array): boolean {
  let rest = contentOf(der);
  for (let integers = 0; rest !== undefined && integers < 2; integers++) {
    const [tag, length = 0, first = 0x80, second = 0x80] = rest;
    const padded = first === 0 && length > 1 && second < 0x80;
    rest =
      tag === 0x02 && length > 0 && length <= 33 && length + 2 <= rest.length && first < 0x80 && !padded
        ? rest.subarray(2 + length)
        : undefined;
  }
  return rest?.length === 0;
}

function refused(reason: string, cause?: unknown): ZhongkuiError {
  return new ZhongkuiError('CertificateRefused', `the request for a certificate: ${reason}`, { cause });
}
