import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { messageOf } from '../../../services/base/errors.ts';
import {
  createKeyPair,
  delegate,
  ensureIssuer,
  formatCapability,
  formatKeyFile,
  formatPublicKey,
  identityOf,
  issue,
  type KeyDirectory,
  keyDirectory,
  openIssuer,
  parseCapability,
  readKeyFile,
  revoke,
  rotateIssuer,
  rotateKeyFile,
  TOKEN_TTL_MS_MAX,
  writeKeyFile,
} from '../../../services/zhongkui/client.ts';
import type { Capability } from '../../../services/zhongkui/contract.ts';
import { inKeys } from '../../security/keys-lock.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { durationOption } from '../ui/duration-option.ts';
import { cutOffBy, REPLACED, trustedKeys } from '../ui/issuer-guard.ts';
import { FORCE_OPTION, isStdout, writeOut } from '../ui/key-out.ts';
import { describeKey, describeToken, keyTable, keyViewOf, keyViews, publicViewOf, recordTable, tokenViewOf } from '../ui/key-view.ts';
import { holderOf, isPath, nameOf, placeOf, revocableOf, subjectOf, textFrom } from '../ui/keys.ts';
import { type NuwaOptions, nuwaVerb, withNuwa } from '../ui/nuwa.ts';
import { formatTime } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';
import { registerJoin } from './key-join.ts';
import { registerRoles } from './key-roles.ts';

const DAY_MS = 86_400_000;
const OVERLAP_MS = 3_600_000;

/** `feitian key …`: who may do what. Keys are files below `<dir>/keys`; nothing but `revoke`, and `rotate` for the old key, speaks with the cluster. */
export function register(program: Command): void {
  const key = program.command('key').description('keys of users and services, and what they may do');
  registerJoin(key);
  registerRoles(key);

  verb(
    key,
    'create <name>',
    'make a key for a user (alice) or a service (service/backup); it may do nothing yet. `issuer`: the key that gives rights',
    'feitian key create alice',
    'feitian key create service/backup --out /etc/feitian/backup.pem',
  )
    .option('--out <file>', 'where to, instead of <dir>/keys; - is standard output')
    .option(...FORCE_OPTION)
    .option('--cluster <name>', 'of a new issuer', 'local')
    .action(action(create));

  verb(key, 'list', 'the keys that are here, what they may do and until when', 'feitian key list', 'feitian key list --issued')
    .option('--issued', 'all that the issuer gave to anybody, with what was revoked')
    .action(action(list));

  verb(
    key,
    'grant <who> <capabilities...>',
    'let a key do so much and no more: <resource>:<operation>,…[;callsPerSecond=<n>][;bytesPerCall=<n>] with operations read, write, run, admin, peer. Who: a name, a key file, or the file of a public key',
    'feitian key grant alice pangu://local/books:read,write nuwa://local/app:read --ttl 30d',
    'feitian key grant bob.pub pangu://local/books/shared:read --as alice --out for-bob.token',
  )
    .addOption(durationOption('--ttl <time>', 'for how long, such as 12h or 30d').default(30 * DAY_MS, '30d'))
    .option('--as <who>', 'give away part of what this identity may do, without the issuer')
    .option('--name <name>', 'who the holder is to be: user/<name>, or with --as its own name and more')
    .option(
      '--out <file>',
      'write the token to this file, for somebody whose key is elsewhere; - is standard output, as without it for a public key',
    )
    .option(...FORCE_OPTION)
    .action(action(grant));

  verb(
    key,
    'take <who> <token>',
    'put a token that was granted elsewhere into a key file; - is standard input',
    'feitian key take bob for-bob.token',
  ).action(action(take));

  nuwaVerb(
    key,
    'rotate <who>',
    'a new key in place of an old one, with the same rights; processes take it up by themselves. The old one is revoked after a while',
    'feitian key rotate service/backup --overlap 10m',
    'feitian key rotate issuer --overlap 30d',
  )
    .addOption(durationOption('--overlap <time>', 'how long the old one goes on (issuer: 30d, others: 1h)'))
    .action(action(rotate));

  nuwaVerb(
    key,
    'revoke <who>',
    'end a key, or one token by its id, with all that was delegated from it; it holds everywhere within half a minute. Before a fingerprint that begins with a dash: --',
    'feitian key revoke alice --reason "laptop stolen"',
    'feitian key revoke 7h2k9m4p0qrs8t1v',
  )
    .option('--reason <text>', 'for those who are refused', 'revoked by an administrator')
    .option('--force', "also the issuer's key, with which every token ends that it signed")
    .action(action(revokeVerb));

  verb(
    key,
    'show <what>',
    'what a key, an identity or a token is; - is standard input. Never the private key',
    'feitian key show alice',
    'feitian key show for-bob.token',
  )
    .option('--public', 'the public key in PEM, to be given to others')
    .action(action(show));
}

async function create(who: string, options: VerbOptions & OutOptions & { cluster: string }): Promise<void> {
  const keys = keysOf(options);
  if (who === 'issuer') {
    const { cluster, keyPair } = await inKeys(keys.path, () => ensureIssuer(keys, options.cluster));
    const { fingerprint } = keyPair;
    if (options.json) return printJson({ name: 'issuer', fingerprint, cluster, file: keys.issuerFile, trustFile: keys.trustFile });
    return print(`issuer of cluster ${cluster}\n${fingerprint}\n${keys.issuerFile}\nservers trust it by ${keys.trustFile}`);
  }
  const name = nameOf(who);
  const file = options.out ?? keys.fileOf(name);
  const keyPair = createKeyPair();
  if (options.out === undefined) await writeKeyFile(file, { keyPair }, { fresh: true });
  else await writeOut(file, formatKeyFile({ keyPair }), options.force);
  if (isStdout(file)) return;
  const { fingerprint } = keyPair;
  if (options.json) printJson({ name, fingerprint, file });
  else print(`${name}\n${fingerprint}\n${file}`);
}

async function list(options: VerbOptions & { issued?: boolean }): Promise<void> {
  const keys = keysOf(options);
  const issued = await keys.store.list();
  const found = await keyViews(keys, issued, await trustedKeys(keys));
  if (options.json) return printJson({ keys: found, issued });
  if (options.issued) return print(issued.length > 0 ? recordTable(issued, Date.now()) : 'nothing was issued here');
  print(found.length > 0 ? keyTable(found) : `there is no key in ${keys.path}: feitian key create makes one`);
}

interface OutOptions {
  out?: string;
  force?: boolean;
}

interface GrantOptions extends VerbOptions, OutOptions {
  ttl: number;
  as?: string;
  name?: string;
}

async function grant(who: string, texts: string[], options: GrantOptions): Promise<void> {
  const keys = keysOf(options);
  const capabilities = texts.map(parseCapability);
  await inKeys(directoryOf(keys, who), () => grantInTurn(keys, who, capabilities, options));
}

async function grantInTurn(keys: KeyDirectory, who: string, capabilities: Capability[], options: GrantOptions): Promise<void> {
  const { holder, file, name: own } = await holderOf(keys, who);
  const out = options.out ?? (file ? undefined : '-');
  const wanted = { holder, capabilities, ttlMs: options.ttl };
  const by = options.as === undefined ? undefined : identityOf(await holding(placeOf(keys, options.as)));
  const name = options.name ?? (by ? by.name : own);
  if (name === undefined) throw new UsageError(`${who} has no name here: --name says who that is, such as user/alice`);
  const { token, id, expiresAtMs } = by
    ? await delegate(by, { ...wanted, name })
    : await issue(await openIssuer(keys), { ...wanted, name });
  const target = out ?? file!;
  // Worth nothing without its key, but it tells who may do what.
  if (out !== undefined) await writeOut(out, `${token}\n`, options.force);
  else await writeKeyFile(target, { keyPair: (await readKeyFile(target)).keyPair, token });
  if (isStdout(target)) return;
  if (options.json) return printJson({ id, name, holder: holder.fingerprint, capabilities, expiresAtMs, file: target });
  print(
    [
      `${name} may, until ${formatTime(expiresAtMs)}:`,
      ...capabilities.map((each) => `  ${formatCapability(each)}`),
      `token ${id} is in ${target}`,
    ].join('\n'),
  );
}

async function take(who: string, source: string, options: VerbOptions): Promise<void> {
  const keys = keysOf(options);
  const file = placeOf(keys, who);
  const token = (await textFrom(source)).trim();
  const { name, grant } = await inKeys(directoryOf(keys, who), async () => {
    const { keyPair } = await readKeyFile(file);
    const identity = identityOf({ keyPair, token });
    await writeKeyFile(file, { keyPair, token });
    return identity;
  });
  if (options.json) printJson({ id: grant.id, name, capabilities: grant.capabilities, expiresAtMs: grant.expiresAtMs, file });
  else print(`${file} is ${name} until ${formatTime(grant.expiresAtMs)}`);
}

async function rotate(who: string, options: NuwaOptions & { overlap?: number }): Promise<void> {
  const keys = keysOf(options);
  const nowMs = Date.now();
  if (who === 'issuer') {
    const untilMs = nowMs + (options.overlap ?? 30 * DAY_MS);
    const { issuer, previous } = await inKeys(keys.path, () => rotateIssuer(keys, untilMs - nowMs, nowMs));
    const { fingerprint } = issuer.keyPair;
    if (options.json) return printJson({ name: 'issuer', fingerprint, previous: previous.fingerprint, untilMs });
    return print(`issuer: ${fingerprint}\nwhat ${previous.fingerprint} signed counts until ${formatTime(untilMs)}`);
  }
  const rotated = await inKeys(directoryOf(keys, who), () => rotateKeyFile(placeOf(keys, who), keys, nowMs));
  const fromMs = nowMs + (options.overlap ?? OVERLAP_MS);
  const { name = nameOf(who), previous, fingerprint, expiresAtMs, hangsOnPrevious } = rotated;
  const ends = expiresAtMs !== undefined && !hangsOnPrevious;
  // The new key is in its place already: if nobody can be told, the old one lives until its end, and that is said.
  if (ends) await revokeEverywhere(keys, options, { of: previous, name, fromMs, reason: REPLACED + fingerprint, nowMs });
  if (options.json)
    return printJson({
      name,
      fingerprint,
      previous,
      ...(ends ? { previousUntilMs: fromMs } : {}),
      ...(expiresAtMs ? { expiresAtMs } : {}),
    });
  const old = ends ? `counts until ${formatTime(fromMs)}` : 'was given no token that must end';
  print(
    `${name}: ${fingerprint}\n${previous} ${hangsOnPrevious ? 'still carries it: do not revoke it, and ask for a new token before long' : old}`,
  );
}

async function revokeVerb(who: string, options: NuwaOptions & { reason: string; force?: boolean }): Promise<void> {
  const keys = keysOf(options);
  const nowMs = Date.now();
  const { of, name, expiresAtMs } = await revocableOf(keys, who);
  const cutOff = await cutOffBy(keys, of, nowMs);
  if (cutOff !== undefined && !options.force) throw new Error(cutOff);
  await revokeEverywhere(keys, options, { of, name, reason: options.reason, expiresAtMs, nowMs });
  if (options.json) printJson({ revoked: of, ...(name === undefined ? {} : { name }), reason: options.reason });
  else print(`${of}${name === undefined ? '' : ` (${name})`} is revoked`);
}

/** First in Nuwa, which counts; then in the record, so that the issuer gives that key nothing more. */
async function revokeEverywhere(
  keys: KeyDirectory,
  options: NuwaOptions,
  {
    of,
    name = '',
    reason,
    fromMs,
    expiresAtMs,
    nowMs,
  }: { of: string; name?: string; reason: string; fromMs?: number; expiresAtMs?: number; nowMs: number },
): Promise<void> {
  // No token that is here now can live longer; a key that was revoked gets no more.
  const until = expiresAtMs ?? nowMs + TOKEN_TTL_MS_MAX;
  await withNuwa(options, (nuwa) => revoke(nuwa, { of, reason, expiresAtMs: until, fromMs })).catch((error: unknown) => {
    throw new Error(`${of} is not revoked, Nuwa could not be told: ${messageOf(error)}`, { cause: error });
  });
  await inKeys(keys.path, async () => {
    const known = (await keys.store.list()).find(({ id }) => id === of);
    const blank = { id: of, name, holder: of, issuer: '', capabilities: [], issuedAtMs: nowMs, expiresAtMs: until };
    await keys.store.put({ ...(known ?? blank), revoked: { fromMs: fromMs ?? nowMs, reason } });
  });
}

async function show(what: string, options: VerbOptions & { public?: boolean }): Promise<void> {
  const keys = keysOf(options);
  const found = await subjectOf(keys, what);
  const publicKey = found.kind === 'key' ? found.file.keyPair : found.kind === 'public' ? found.key : undefined;
  if (options.public) {
    if (!publicKey) throw new UsageError(`${what} is a token: only a key has a public half to show`);
    const pem = formatPublicKey(publicKey);
    return options.json ? printJson({ fingerprint: publicKey.fingerprint, pem }) : print(pem.trimEnd());
  }
  const issued = await keys.store.list();
  if (found.kind === 'token') {
    const view = tokenViewOf(found.token, issued, await trustedKeys(keys));
    return options.json ? printJson(view) : print(describeToken(view));
  }
  const view = found.kind === 'key' ? keyViewOf(found.file, issued, await trustedKeys(keys)) : publicViewOf(found.key, issued);
  if (options.json) printJson(view);
  else print(describeKey(view));
}

const keysOf = ({ dir }: VerbOptions): KeyDirectory => keyDirectory(join(dir, 'keys'));

/** Where a change to a key is made: whoever changes the same one waits for it there. */
const directoryOf = (keys: KeyDirectory, who: string): string => (isPath(who) ? dirname(who) : keys.path);

async function holding(path: string): Promise<{ keyPair: Awaited<ReturnType<typeof readKeyFile>>['keyPair']; token: string }> {
  const { keyPair, token } = await readKeyFile(path);
  if (token === undefined) throw new Error(`${path} holds a key and no token: it has nothing to give away`);
  return { keyPair, token };
}
