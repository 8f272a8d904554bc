import { compactVerify } from 'jose';
import { ZhongkuiError } from '../contract.ts';
import { type PublicKey, publicKeyFromX } from '../keys/key-pair.ts';
import { type DecodedToken, decodeToken } from './decode-token.ts';

/** A token whose signatures hold, from an issuer that `issuerKey` knows. Whether it counts now is another question: time and revocations change. */
export async function verifyToken(token: unknown, issuerKey: (fingerprint: string) => PublicKey | undefined): Promise<DecodedToken> {
  const decoded = decodeToken(token);
  let signer = issuerKey(decoded.links[0]!.signer);
  if (!signer) throw new ZhongkuiError('TokenForged', 'the token is of an issuer that is not trusted here');
  // From the issuer on: what is not signed by somebody known costs one signature, however long it is.
  for (const [i, text] of decoded.texts.entries()) {
    await checkSignature(text, signer);
    signer = publicKeyFromX(decoded.links[i]!.key);
  }
  return decoded;
}

async function checkSignature(text: string, signer: PublicKey): Promise<void> {
  try {
    await compactVerify(text, signer.key, { algorithms: ['EdDSA'] });
  } catch (error) {
    // Without its cause: what jose says of a token may hold parts of it.
    throw new ZhongkuiError('TokenForged', `a signature of the token does not hold (${(error as { code?: string }).code ?? 'unknown'})`);
  }
}
