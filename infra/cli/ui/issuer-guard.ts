/**
 * Revoking an issuer's key ends all that it signed: done to the one that signs now, every process of the cluster stops answering every other within half a minute. That is
 * what a stolen key may call for, and never what a slip of the hand should do. So it is refused while anybody hangs on the key, with the way to do it in good order.
 */
import { hasCode } from '../../../services/base/errors.ts';
import { type IssuedRecord, type KeyDirectory, keyDirectory, readTrustFile, type TrustedKey } from '../../../services/zhongkui/client.ts';
import { keyViews } from './key-view.ts';

/** Why revoking `of` would cut others off, if it would. */
export async function cutOffBy(keys: KeyDirectory, of: string, nowMs: number): Promise<string | undefined> {
  const trusted = (await trustedKeys(keys)).find(({ fingerprint }) => fingerprint === of);
  if (!trusted) return undefined;
  const hanging = hangingOn(of, await keys.store.list(), nowMs);
  if (trusted.untilMs !== undefined && hanging.length === 0) return undefined;
  const names = hanging.slice(0, NAMES_MAX).join(', ') + (hanging.length > NAMES_MAX ? ` and ${hanging.length - NAMES_MAX} more` : '');
  return [
    `${of} is the key of the ${trusted.untilMs === undefined ? 'issuer, which signs now' : 'issuer before'}: with it ends every token that it signed${names === '' ? '' : `, that of ${names}`}.`,
    'Within half a minute no process would answer another, and nobody would be let in. In good order:',
    ...(trusted.untilMs === undefined ? ['  feitian key rotate issuer            a new key; both count for a while'] : []),
    '  feitian down, then feitian up        all get new tokens; many machines: feitian key roles again, and the files to their places',
    `  feitian key revoke ${of.startsWith('-') ? '-- ' : ''}${of}`,
    '--force revokes it all the same; the three lines above are the way back then too.',
  ].join('\n');
}

/** Whether the issuer's key that signs now stands in the records as revoked. */
export async function revokedIssuer(directory: string, nowMs: number): Promise<string | undefined> {
  const keys = keyDirectory(directory);
  const signing = (await trustedKeys(keys)).filter(({ untilMs }) => untilMs === undefined).map(({ fingerprint }) => fingerprint);
  const records = await keys.store.list();
  return records.find(({ id, revoked }) => revoked !== undefined && revoked.fromMs <= nowMs && signing.includes(id))?.id;
}

const NAMES_MAX = 4;

/** Who holds nothing newer by another issuer. */
function hangingOn(issuer: string, issued: readonly IssuedRecord[], nowMs: number): string[] {
  const latest = new Map<string, IssuedRecord>();
  for (const record of issued) if (record.issuer !== '' && record.expiresAtMs > nowMs) latest.set(record.holder, record);
  const revoked = new Set(issued.filter((record) => record.revoked).map(({ id }) => id));
  const hanging = [...latest.values()].filter(
    (record) => record.issuer === issuer && !revoked.has(record.id) && !revoked.has(record.holder),
  );
  return [...new Set(hanging.map(({ name }) => name))].sort();
}

/** Whose tokens in this directory are over because a key before them was replaced and the overlap has run out, and since when. */
export async function leftBehind(directory: string, nowMs: number): Promise<{ name: string; fromMs: number; because: string }[]> {
  const keys = keyDirectory(directory);
  const views = await keyViews(keys, await keys.store.list(), await trustedKeys(keys));
  return views.flatMap(({ name = '', token, revoked = token?.revoked }) => {
    if (name === 'issuer' || !token || token.expiresAtMs <= nowMs) return [];
    if (revoked)
      return revoked.fromMs <= nowMs && revoked.reason.startsWith(REPLACED)
        ? [{ name, fromMs: revoked.fromMs, because: `${revoked.of} was ${revoked.reason}` }]
        : [];
    const { issuer, issuerUntilMs } = token;
    return issuerUntilMs !== undefined && issuerUntilMs <= nowMs
      ? [{ name, fromMs: issuerUntilMs, because: `the issuer's key ${issuer}, which signed its token, was replaced` }]
      : [];
  });
}

/** As `feitian key rotate` gives its reason. */
export const REPLACED = 'replaced by ';

export async function trustedKeys(keys: KeyDirectory): Promise<readonly TrustedKey[]> {
  return await readTrustFile(keys.trustFile).then(
    (trust) => trust.keys,
    (error: unknown) => {
      if (!hasCode(error, 'NoSuchKey')) throw error;
      return [];
    },
  );
}
