import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packDirectory, uploadPackage } from '../../services/dayu/client.ts';
import type { dayuMasterService } from '../../services/dayu/contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';
import { type NuwaClient, SERVICES_PATH, serviceInfoSchema } from '../../services/nuwa/contract.ts';
import type { PanguClient } from '../../services/pangu/contract.ts';

const HELLO = new URL('../../infra/examples/hello-service', import.meta.url).pathname;

/** Packs and registers a version of the example service, with these variables over its own. */
export async function releaseHello(
  { pangu, master }: { pangu: PanguClient; master: ServiceClient<typeof dayuMasterService> },
  version: string,
  environment: Record<string, string> = {},
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'feitian-test-hello-'));
  await cp(HELLO, directory, { recursive: true });
  const descriptor = JSON.parse(await readFile(join(directory, 'dayu.json'), 'utf8'));
  descriptor.version = version;
  Object.assign(descriptor.roles.web.environment, environment);
  await writeFile(join(directory, 'dayu.json'), JSON.stringify(descriptor));
  const packed = await packDirectory(directory);
  await uploadPackage(pangu, packed);
  await master.registerRelease({ descriptor: packed.descriptor, digest: packed.digest, bytes: packed.bytes });
}

export interface Load {
  /** Answers so far, by version. */
  readonly answers: Map<string, number>;
  readonly failures: string[];
  stop(): Promise<void>;
}

/** Clients that ask without a pause, each time an instance that stands in Nuwa at that moment. */
export function loadHello(nuwa: NuwaClient, clients = 4): Load {
  const answers = new Map<string, number>();
  const failures: string[] = [];
  let over = false;
  const ask = async (client: number): Promise<void> => {
    for (let turn = client; !over; turn++) {
      try {
        const { children } = await nuwa.list(`${SERVICES_PATH}/hello-web`);
        if (children.length === 0) throw new Error('nobody is registered');
        const { address } = serviceInfoSchema.parse(JSON.parse(Buffer.from(children[turn % children.length]!.value).toString('utf8')));
        const response = await fetch(`http://${address.replace(/^\w+:\/\//, '')}/`);
        const { version } = (await response.json()) as { version: string };
        if (!response.ok) throw new Error(`status ${response.status}`);
        answers.set(version, (answers.get(version) ?? 0) + 1);
      } catch (error) {
        failures.push(String((error as Error).cause ?? error));
      }
      await delay(5);
    }
  };
  const asking = Promise.all(Array.from({ length: clients }, (_, client) => ask(client)));
  return {
    answers,
    failures,
    async stop() {
      over = true;
      await asking;
    },
  };
}

/** From the service's own log: the most nodes that were between "stopping" and the next "listening" at one time, and the versions each node listened as. */
export async function readEvents(file: string): Promise<{ outMost: number; versions: Record<string, string[]> }> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  const events = lines.map((line) => JSON.parse(line) as { at: number; event: string; node: string; version: string });
  events.sort((a, b) => a.at - b.at);
  const out = new Set<string>();
  const versions: Record<string, string[]> = {};
  let outMost = 0;
  for (const { event, node, version } of events) {
    if (event === 'stopping') out.add(node);
    if (event === 'listening') {
      out.delete(node);
      (versions[node] ??= []).push(version);
    }
    outMost = Math.max(outMost, out.size);
  }
  return { outMost, versions };
}
