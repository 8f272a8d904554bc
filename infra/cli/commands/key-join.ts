import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text as textOfStream } from 'node:stream/consumers';
import type { Command } from 'commander';
import { silentLogger } from '../../../services/base/log.ts';
import { reflectionService } from '../../../services/kuafu/reflection-contract.ts';
import { openAuthority } from '../../../services/zhongkui/certificates/authority.ts';
import { type JoinOptions, joinMachine } from '../../../services/zhongkui/certificates/join-machine.ts';
import { openJoinStore } from '../../../services/zhongkui/certificates/join-store.ts';
import { createJoinToken } from '../../../services/zhongkui/certificates/join-tokens.ts';
import type { MachineCertificate } from '../../../services/zhongkui/certificates/machine-certificate.ts';
import { pinnedTls } from '../../../services/zhongkui/certificates/pinned-tls.ts';
import { authorityFiles } from '../../../services/zhongkui/client.ts';
import { parseJoinToken } from '../../../services/zhongkui/core/join-token.ts';
import { joinService } from '../../../services/zhongkui/join-contract.ts';
import { layoutOf } from '../../cluster/layout.ts';
import { joinHere } from '../../security/join-here.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { durationOption } from '../ui/duration-option.ts';
import { asAddress } from '../ui/nuwa.ts';
import { formatMs } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

/** How a machine becomes one of the cluster's: a token made where the authority is, used once on the machine. */
export function registerJoin(key: Command): void {
  verb(
    key,
    'join-token',
    'make a token that lets one new machine into the cluster, once; on the machine that keeps the authority',
    'feitian key join-token --machine node-7 --address 10.77.0.7',
    'feitian key join-token --ttl 10m --json',
  )
    .option('--machine <name>', 'the only machine it is for; needed to let a known machine in again (default: any that is not known yet)')
    .option(
      '--address <ip>',
      'the only addresses that the machine may have, each with an --address of its own (default: any that no other has)',
      collect,
    )
    .addOption(durationOption('--ttl <time>', 'how long it is good, at most 24h').default(3_600_000, '1h'))
    .option('--authority <directory>', 'where the authority keeps its files, the data directory of role zhongkui (default: <dir>/zhongkui)')
    .action(action(makeToken));

  verb(
    key,
    'join',
    'make this machine one of the cluster: it gets a key, a certificate and the certificates of the authority',
    'feitian key join --server tls://10.77.0.1:20700 --machine node-7 --address 10.77.0.7 < token',
    'FEITIAN_JOIN_TOKEN=… feitian key join --server tls://10.77.0.1:20700 --machine node-7 --out /etc/feitian',
    'feitian key join --authority /var/lib/feitian/zhongkui --machine m0 --address 10.77.0.1 --out /etc/feitian',
  )
    .option('--server <address>', 'where role zhongkui answers, tls://host:port; tcp:// where the cluster speaks no TLS yet')
    .option(
      '--authority <directory>',
      'instead of --server, on the machine that keeps the authority: its files, founded where there are none',
    )
    .option('--cluster <name>', 'of a new authority', 'local')
    .requiredOption('--machine <name>', 'what this machine is called: lower-case letters, digits and dashes')
    .option(
      '--address <ip>',
      'by which others call this machine, each with an --address of its own; 127.0.0.1 and ::1 are always among them',
      collect,
    )
    .option('--token-file <file>', 'a file with the token (default: FEITIAN_JOIN_TOKEN, or else standard input)')
    .option('--out <directory>', 'where machine.crt and machine.key go (default: <dir>/machine)')
    .addHelpText(
      'after',
      `
The token never leaves this machine, and the answer is believed because the token names the authority's certificate: the way there
may be any network. What was interrupted can be done again with the same token, on this machine and with the same --out. With --authority no
token is needed, and done again it changes nothing before the certificate's last hours.`,
    )
    .action(action(joinCluster));
}

interface TokenFlags extends VerbOptions {
  machine?: string;
  address?: string[];
  ttl: number;
  authority?: string;
}

async function makeToken({ dir, json, machine, address, ttl, authority: given }: TokenFlags): Promise<void> {
  const files = authorityFiles(given ?? layoutOf(dir).dataOf('zhongkui'));
  const authority = await openAuthority({ directory: files.authority });
  const store = await openJoinStore(files.joins);
  const made = await createJoinToken(
    { authority, store },
    { ttlMs: ttl, ...(machine === undefined ? {} : { machine }), ...(address === undefined ? {} : { addresses: address }) },
  );
  const expires = new Date(made.expiresAtMs).toISOString();
  if (json) return printJson({ id: made.id, token: made.token, cluster: authority.cluster, expires });
  // The token alone on standard output, so that it can be piped to where it is needed.
  print(made.token);
  const server = (given === undefined ? await zhongkuiOf(dir) : undefined) ?? 'tls://<host of role zhongkui>:<port>';
  process.stderr.write(`for ${machine ?? 'one new machine'}, once, within ${formatMs(ttl)}; it is not shown again. On the machine:
  feitian key join --server ${server} --machine ${machine ?? '<name>'} --address <ip>\n`);
}

/** In a local cluster that is up. */
async function zhongkuiOf(dir: string): Promise<string | undefined> {
  try {
    const { attachCluster } = await import('../../cluster/launch.ts');
    const { processes } = await (await attachCluster(dir)).status();
    return processes.find(({ role }) => role === 'zhongkui')?.address;
  } catch {
    return undefined; // it is told without
  }
}

interface JoinFlags extends VerbOptions {
  server?: string;
  authority?: string;
  cluster: string;
  machine: string;
  address?: string[];
  tokenFile?: string;
  out?: string;
}

async function joinCluster({ dir, json, server, authority, machine, address = [], tokenFile, out, ...flags }: JoinFlags): Promise<void> {
  if ((server === undefined) === (authority === undefined)) throw new UsageError('name either --server or --authority');
  const directory = out ?? join(layoutOf(dir).dir, 'machine');
  const files = { certificateFile: join(directory, 'machine.crt'), keyFile: join(directory, 'machine.key') };
  const addresses = [...new Set([...address, '127.0.0.1', '::1'])];
  const machineCertificate =
    server === undefined
      ? await joinHere({ directory: authority!, cluster: flags.cluster, machine, addresses, files })
      : await joinThrough(server, { token: await readToken(tokenFile), machine, addresses, files });
  const { cluster, notAfterMs } = machineCertificate;
  const expires = new Date(notAfterMs).toISOString();
  if (json) return printJson({ machine, cluster, addresses: machineCertificate.addresses, ...files, expires });
  print(
    `${machine} is one of ${cluster}: ${files.certificateFile}, ${files.keyFile}. The certificate is good until ${expires} and is renewed before that.`,
  );
}

/** What the token says of the authority is all that is known of it here. */
async function joinThrough(given: string, options: Omit<JoinOptions, 'ask'>): Promise<MachineCertificate> {
  const server = asAddress(given, 'tls');
  const token = parseJoinToken(options.token.trim());
  const { createKuafuClient } = await import('../../../services/kuafu/client.ts');
  const kuafu = createKuafuClient({ log: silentLogger, ...(token ? { tls: pinnedTls(token, Date.now) } : {}) });
  try {
    // Who is not there is found out before there is a key for it to certify; what is no token, by joinMachine.
    if (token) await kuafu.service(reflectionService, server).health({});
    return await joinMachine({ ...options, ask: kuafu.service(joinService, server) });
  } finally {
    await kuafu.close();
  }
}

/** Not as an argument, where all users of the machine could read it. */
async function readToken(file: string | undefined): Promise<string> {
  if (file !== undefined) return await readFile(file, 'utf8');
  if (process.env.FEITIAN_JOIN_TOKEN) return process.env.FEITIAN_JOIN_TOKEN;
  if (process.stdin.isTTY) throw new UsageError('give the token in --token-file, in FEITIAN_JOIN_TOKEN, or on standard input');
  return await textOfStream(process.stdin);
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
