import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { openDatabase } from '../../services/base/database.ts';
import { SERVICES_PATH, serviceInfoSchema } from '../../services/nuwa/contract.ts';
import { ticketKeys } from '../../services/pangu/tables.ts';
import { readKeyFile } from '../../services/zhongkui/client.ts';
import { httpTokenOf, type TestCluster } from './cluster.ts';
import { scrapeText, targetsOf } from './scrape.ts';

/** A place where no secret may stand, and all that is written there. */
interface Text {
  where: string;
  text: string;
}

/** Those of this cluster, and what any key and any token begins with. */
export async function secretsOf({ dir, cluster }: TestCluster): Promise<{ what: string; value: string }[]> {
  const secrets = [
    { what: 'a token', value: Buffer.from('{"alg":"EdDSA","typ":"feitian-link').toString('base64url') },
    { what: 'a private key', value: 'MC4CAQAwBQYDK2VwBCIEI' },
  ];
  const add = (what: string, bytes: Uint8Array): void => {
    for (const encoding of ['base64', 'base64url', 'hex', 'latin1'] as const)
      secrets.push({ what, value: Buffer.from(bytes).toString(encoding).replace(/=+$/, '') });
  };
  for (const name of await readdir(join(dir, 'keys'), { recursive: true })) {
    if (!name.endsWith('.pem')) continue;
    const { keyPair, token } = await readKeyFile(join(dir, 'keys', name));
    add(`the key of ${name}`, Buffer.from(keyPair.privateKey.export({ format: 'jwk' }).d!, 'base64url'));
    if (token !== undefined) secrets.push({ what: `the token of ${name}`, value: token.split('.').at(-1)! });
  }
  secrets.push({ what: 'the HTTP token', value: await httpTokenOf({ dir }) });
  const database = openDatabase(cluster.info.postgres.url, { connectionsMax: 1 });
  for (const { id, secret } of await database.db.select().from(ticketKeys)) add(`the key of tickets ${id}`, secret);
  await database.close();
  return secrets;
}

export async function placesToSearch(cluster: TestCluster): Promise<Text[]> {
  return (await Promise.all([historiesOf(cluster), logsOf(cluster), metricsOf(cluster)])).flat();
}

async function historiesOf({ temporal }: TestCluster): Promise<Text[]> {
  const texts: Text[] = [];
  for await (const { workflowId, runId } of temporal.workflow.list()) {
    const handle: WorkflowHandle = temporal.workflow.getHandle(workflowId, runId);
    const pieces: string[] = [];
    collect(await handle.fetchHistory(), pieces);
    texts.push({ where: `history of ${workflowId}`, text: pieces.join('\n') });
  }
  return texts;
}

/** All strings, and all bytes as the text that they mostly are. */
function collect(value: unknown, into: string[]): void {
  if (typeof value === 'string') into.push(value);
  else if (value instanceof Uint8Array) into.push(Buffer.from(value).toString('latin1'));
  else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) collect(each, into);
}

async function logsOf({ dir }: TestCluster): Promise<Text[]> {
  const texts: Text[] = [];
  for (const name of await readdir(dir, { recursive: true }))
    if (name.endsWith('.log') || /(^|\/)logs\//.test(name))
      texts.push({ where: `log ${name}`, text: await readFile(join(dir, name), 'latin1').catch(() => '') });
  return texts;
}

async function metricsOf(cluster: TestCluster): Promise<Text[]> {
  const { children } = await cluster.nuwa.list(`${SERVICES_PATH}/shennong`);
  const { http } = serviceInfoSchema.parse(JSON.parse(Buffer.from(children[0]!.value).toString())).attributes;
  const token = await httpTokenOf(cluster);
  const targets = await targetsOf(String(http).replace('http://', ''), token);
  return await Promise.all(
    targets.map(async ({ targets: [address] }) => ({ where: `metrics of ${address}`, text: await scrapeText(address, token) })),
  );
}
