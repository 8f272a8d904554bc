import { readFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { MethodDescription, ServiceDescription } from '../../../services/kuafu/reflection-contract.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { durationMs } from '../ui/nuwa.ts';
import { atAddress, callByName, describeServices, formatReply, parseMethod, parseRequest } from '../ui/rpc.ts';
import { renderTable } from '../ui/table.ts';
import { parseMs } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

const ADDRESSES = `
An <address> is host:port, tcp://host:port, tls://host:port, nuwa://<cluster>/<service>/ (any instance) or
nuwa://<cluster>/<service>/<instance>; names are looked up in the cluster of --dir.`;

/** `feitian rpc`: what a server offers, and calls by hand. */
export function register(program: Command): void {
  const rpc = program.command('rpc').description('what servers offer over Kuafu, and calls by hand');

  verb(
    rpc,
    'ls <address> [what]',
    'the services of a server and their methods; of one <service> or <service>.<method>',
    'feitian rpc ls nuwa://local/pangu-master/',
    'feitian rpc ls 127.0.0.1:20500 nuwa.get',
  )
    .addHelpText('after', `${ADDRESSES}\nOf a method it shows the JSON schemas; --json shows them of all.`)
    .action(
      action(async (address: string, what: string | undefined, options: VerbOptions) => {
        const services = await atAddress(options.dir, address, (kuafu, at) => describeServices(kuafu, at, undefined));
        const chosen = what === undefined ? services : choose(services, what);
        if (options.json) return printJson({ services: chosen });
        const [only] = chosen;
        if (what !== undefined && only!.name !== what) printJson(only!.methods[0]);
        else print(table(chosen));
      }),
    );

  verb(
    rpc,
    'call <address> <method> [json]',
    'call <service>.<method> with a request (default {}; - reads it from standard input) and print the reply',
    'feitian rpc call nuwa://local/pangu-master/ pangu-master.stat \'{"path": "/books"}\'',
    'feitian rpc call 127.0.0.1:20500 nuwa.status',
    'feitian rpc call 127.0.0.1:20500 kuafu.health',
  )
    .addHelpText('after', `${ADDRESSES}\nThe request is checked by the server alone. Bytes are written {"$base64": "…"}, both ways.`)
    .option('--attachment <file>', 'send the bytes of this file with the request')
    .option('--out <file>', 'write the attachment of the reply to this file')
    .option('--timeout <time>', 'how long to wait', '10s')
    .action(
      action(async (address: string, method: string, json: string | undefined, options: CallVerbOptions) => {
        const names = parseMethod(method);
        const timeoutMs = durationMs(options.timeout, '--timeout', parseMs);
        const request = parseRequest(json === '-' ? await readInput() : (json ?? '{}'));
        const attachment = options.attachment === undefined ? undefined : await readAttachment(options.attachment);
        const reply = await atAddress(options.dir, address, (kuafu, at) =>
          callByName(kuafu, at, names, request, { timeoutMs, attachment }),
        );
        if (options.out !== undefined) await writeFile(options.out, reply.attachment);
        else if (reply.attachment.length > 0)
          process.stderr.write(`feitian: the reply has an attachment of ${reply.attachment.length} bytes, --out <file> keeps it\n`);
        if (reply.body !== undefined) printJson(formatReply(reply.body));
      }),
    );
}

interface CallVerbOptions extends VerbOptions {
  attachment?: string;
  out?: string;
  timeout: string;
}

/** One service, or one with the one method that was named. */
function choose(services: readonly ServiceDescription[], what: string): ServiceDescription[] {
  const service = services.find(({ name }) => name === what);
  if (service) return [service];
  for (const { name, methods } of services) {
    const method = methods.find((each) => `${name}.${each.name}` === what);
    if (method) return [{ name, methods: [method] }];
  }
  throw new UsageError(`${what} is not there; what is: ${services.map(({ name }) => name).join(', ')}`);
}

function table(services: readonly ServiceDescription[]): string {
  const titles = ['method', 'kind', 'access', 'again'];
  const rows = services.flatMap(({ name, methods }) => methods.map((method) => row(name, method)));
  return renderTable(
    titles.map((title) => ({ title })),
    rows,
  );
}

function row(service: string, { name, kind, access, idempotent }: MethodDescription): string[] {
  return [`${service}.${name}`, kind, access ?? 'nobody', idempotent ? 'yes' : '-'];
}

async function readInput(): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(Buffer.from(piece as Uint8Array));
  return Buffer.concat(pieces).toString('utf8');
}

async function readAttachment(file: string): Promise<Buffer> {
  return await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file} ${error.code === 'ENOENT' ? 'is not there' : `cannot be read: ${error.message}`}`, { cause: error });
  });
}
