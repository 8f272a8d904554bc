import { hasCode } from '../../services/base/errors.ts';
import { TUBO_SERVICE } from '../../services/fuxi/contract.ts';
import { type NuwaClient, SERVICES_PATH } from '../../services/nuwa/contract.ts';
import { CHUNK_SERVICE } from '../../services/pangu/chunk-contract.ts';

const NODE_SERVICES = [CHUNK_SERVICE, TUBO_SERVICE];

/** Which services of a node are registered. */
export async function registeredOn(nuwa: NuwaClient, node: string): Promise<string[]> {
  const there = await Promise.all(NODE_SERVICES.map((service) => isRegistered(nuwa, service, node)));
  return NODE_SERVICES.filter((_, i) => there[i]);
}

/** Which are not. */
export async function missingOn(nuwa: NuwaClient, node: string): Promise<string[]> {
  const there = await registeredOn(nuwa, node);
  return NODE_SERVICES.filter((service) => !there.includes(service));
}

async function isRegistered(nuwa: NuwaClient, service: string, node: string): Promise<boolean> {
  return nuwa.get(`${SERVICES_PATH}/${service}/${node}`).then(
    () => true,
    (error) => {
      if (hasCode(error, 'NoNode')) return false;
      throw error;
    },
  );
}
