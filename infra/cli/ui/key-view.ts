/** What people see of keys and tokens. Never a private key, never a whole token. */
import { hasCode, messageOf } from '../../../services/base/errors.ts';
import {
  decodeToken,
  formatCapability,
  type IssuedRecord,
  type KeyDirectory,
  type KeyFile,
  type PublicKey,
  readKeyFile,
  type TrustedKey,
} from '../../../services/zhongkui/client.ts';
import type { Capability } from '../../../services/zhongkui/contract.ts';
import { renderTable } from './table.ts';
import { formatTime } from './units.ts';

export interface TokenView {
  id: string;
  name: string;
  cluster: string;
  holder: string;
  issuer: string;
  /** From the issuer on. */
  links: { id: string; name: string; holder: string; capabilities: readonly Capability[]; expiresAtMs: number }[];
  capabilities: readonly Capability[];
  notBeforeMs: number;
  expiresAtMs: number;
  /** The issuer has another key by now: until when what this one signed counts; 0 where servers know it no more. */
  issuerUntilMs?: number;
  revoked?: { of: string; fromMs: number; reason: string };
}

export interface KeyView {
  name?: string;
  file?: string;
  fingerprint: string;
  token?: TokenView;
  revoked?: { of: string; fromMs: number; reason: string };
  problem?: string;
}

/** `trusted`: whom servers believe, where that is known. */
export function tokenViewOf(token: string, issued: readonly IssuedRecord[], trusted: readonly TrustedKey[] = []): TokenView {
  const { grant, cluster, links } = decodeToken(token);
  const revoked = revocationOf(grant.revocableBy, issued);
  return {
    id: grant.id,
    name: grant.name,
    cluster,
    holder: grant.holder,
    issuer: links[0]!.signer,
    links: links.map(({ id, name, holder, capabilities, expiresAtSeconds }) => ({
      id,
      name,
      holder,
      capabilities,
      expiresAtMs: expiresAtSeconds * 1000,
    })),
    capabilities: grant.capabilities,
    notBeforeMs: grant.notBeforeMs,
    expiresAtMs: grant.expiresAtMs,
    ...issuerEnd(links[0]!.signer, trusted),
    ...(revoked ? { revoked } : {}),
  };
}

function issuerEnd(issuer: string, trusted: readonly TrustedKey[]): { issuerUntilMs?: number } {
  if (trusted.length === 0) return {};
  const key = trusted.find(({ fingerprint }) => fingerprint === issuer);
  if (!key) return { issuerUntilMs: 0 };
  return key.untilMs === undefined ? {} : { issuerUntilMs: key.untilMs };
}

export function keyViewOf({ keyPair, token }: KeyFile, issued: readonly IssuedRecord[], trusted: readonly TrustedKey[] = []): KeyView {
  const revoked = revocationOf([keyPair.fingerprint], issued);
  return {
    fingerprint: keyPair.fingerprint,
    ...(token === undefined ? {} : { token: tokenViewOf(token, issued, trusted) }),
    ...(revoked ? { revoked } : {}),
  };
}

export function publicViewOf({ fingerprint }: Pick<PublicKey, 'fingerprint'>, issued: readonly IssuedRecord[]): KeyView {
  const revoked = revocationOf([fingerprint], issued);
  return { fingerprint, ...(revoked ? { revoked } : {}) };
}

/** All keys of a directory; one that cannot be read stands there with its problem. */
export async function keyViews(
  keys: KeyDirectory,
  issued: readonly IssuedRecord[],
  trusted: readonly TrustedKey[] = [],
): Promise<KeyView[]> {
  const views: KeyView[] = [];
  const add = async (name: string, file: string): Promise<void> => {
    try {
      views.push({ name, file, ...keyViewOf(await readKeyFile(file), issued, trusted) });
    } catch (error) {
      if (name !== 'issuer' || !hasCode(error, 'NoSuchKey')) views.push({ name, file, fingerprint: '', problem: messageOf(error) });
    }
  };
  await add('issuer', keys.issuerFile);
  for (const name of await keys.names()) await add(name, keys.fileOf(name));
  return views;
}

export function keyTable(views: readonly KeyView[]): string {
  const titles = ['name', 'key', 'state', 'may'];
  return renderTable(
    titles.map((title) => ({ title })),
    views.map(({ name = '', fingerprint, token, revoked, problem }) => [
      name,
      fingerprint || '-',
      problem ??
        stateOf(
          name === 'issuer' ? undefined : token,
          revoked ?? token?.revoked,
          Date.now(),
          name === 'issuer' ? 'gives rights' : 'no rights',
        ),
      token?.capabilities.map(formatCapability).join(' ') ?? '',
    ]),
  );
}

export function recordTable(issued: readonly IssuedRecord[], nowMs: number): string {
  const titles = ['token', 'name', 'key', 'state', 'may'];
  return renderTable(
    titles.map((title) => ({ title })),
    issued.map(({ id, name, holder, issuer, expiresAtMs, capabilities }) => [
      issuer === '' ? 'key' : id,
      name || '-',
      holder,
      stateOf({ expiresAtMs }, revocationOf([id, holder, issuer], issued), nowMs),
      capabilities.map(formatCapability).join(' '),
    ]),
  );
}

export function describeKey({ fingerprint, token, revoked }: KeyView): string {
  const lines = [`key       ${fingerprint}`];
  if (revoked) lines.push(`revoked   ${formatTime(revoked.fromMs)}: ${revoked.reason}`);
  return token ? [...lines, describeToken(token)].join('\n') : [...lines, 'no token: it may do nothing'].join('\n');
}

export function describeToken(view: TokenView): string {
  const lines = [
    `token     ${view.id}`,
    `name      ${view.name}`,
    `cluster   ${view.cluster}`,
    `holder    ${view.holder}`,
    `issuer    ${view.issuer}`,
    `state     ${stateOf(view, view.revoked, Date.now())}`,
    ...view.capabilities.map((capability, i) => `${i === 0 ? 'may      ' : '         '} ${formatCapability(capability)}`),
  ];
  const chain = view.links.map(
    ({ id, name, holder, expiresAtMs }, i) =>
      `  ${i === 0 ? 'issued to' : 'passed to'} ${name}, key ${holder}, token ${id}, until ${formatTime(expiresAtMs)}`,
  );
  return [...lines, ...(chain.length > 1 ? ['way', ...chain] : []), 'signatures are not looked at here: servers do that'].join('\n');
}

function stateOf(
  token: { expiresAtMs: number; issuerUntilMs?: number } | undefined,
  revoked: { fromMs: number; reason: string } | undefined,
  nowMs: number,
  without = '',
): string {
  if (revoked) return revoked.fromMs <= nowMs ? `revoked: ${revoked.reason}` : `until ${formatTime(revoked.fromMs)}: ${revoked.reason}`;
  if (!token) return without;
  const { issuerUntilMs = Number.POSITIVE_INFINITY } = token;
  if (issuerUntilMs <= nowMs)
    return `ended${issuerUntilMs > 0 ? ` ${formatTime(issuerUntilMs)}` : ''}: the issuer has another key, it needs a new token (feitian key grant)`;
  if (issuerUntilMs < token.expiresAtMs) return `until ${formatTime(issuerUntilMs)}: the issuer has another key`;
  return token.expiresAtMs <= nowMs ? `expired ${formatTime(token.expiresAtMs)}` : `until ${formatTime(token.expiresAtMs)}`;
}

function revocationOf(revocableBy: readonly string[], issued: readonly IssuedRecord[]): KeyView['revoked'] {
  const record = issued.find(({ id, revoked }) => revoked && revocableBy.includes(id));
  return record && { of: record.id, ...record.revoked! };
}
