import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packDirectory, uploadPackage } from '../../services/dayu/client.ts';
import type { Descriptor, dayuMasterService, Release } from '../../services/dayu/contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';
import type { PanguClient } from '../../services/pangu/contract.ts';

const EXAMPLE = fileURLToPath(new URL('../examples/hello-service', import.meta.url));

/** A release of the example service: the directory as it is, but for its version and the environment that makes a good or a bad one of it. */
export async function releaseHello(
  to: { pangu: PanguClient; dayuMaster: ServiceClient<typeof dayuMasterService> },
  version: string,
  environment: Record<string, string> = {},
): Promise<Release> {
  const directory = await mkdtemp(join(tmpdir(), 'feitian-hello-'));
  try {
    await cp(EXAMPLE, directory, { recursive: true });
    const file = join(directory, 'dayu.json');
    const descriptor = JSON.parse(await readFile(file, 'utf8')) as Descriptor;
    const web = descriptor.roles.web!;
    const changed = { ...descriptor, version, roles: { web: { ...web, environment: { ...web.environment, ...environment } } } };
    await writeFile(file, `${JSON.stringify(changed, undefined, 2)}\n`);
    const packed = await packDirectory(directory);
    await uploadPackage(to.pangu, packed);
    const { digest, bytes } = packed;
    return (await to.dayuMaster.registerRelease({ descriptor: packed.descriptor, digest, bytes })).release;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
