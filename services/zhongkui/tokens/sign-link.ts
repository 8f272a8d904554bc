import { CompactSign } from 'jose';
import { ZhongkuiError } from '../contract.ts';
import { formatLink, type Link, linkProblem } from '../core/link.ts';
import type { KeyPair } from '../keys/key-pair.ts';
import { headerOf } from './decode-token.ts';

export async function signLink(link: Link, signer: KeyPair): Promise<string> {
  const problem = linkProblem(link);
  if (problem !== undefined) throw new ZhongkuiError('InvalidCapability', `the token would be none: ${problem}`);
  return await new CompactSign(Buffer.from(formatLink(link), 'utf8'))
    .setProtectedHeader(headerOf(signer.fingerprint))
    .sign(signer.privateKey);
}
