import { hasCode } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { KuafuError, type Resolver } from '../../kuafu/contract.ts';
import { type NuwaClient, SERVICES_PATH } from '../contract.ts';
import { ServiceDirectory } from './service-directory.ts';

/**
 * Turns `nuwa://cluster/service/[instance]` into the addresses of who is registered there. Each service that was asked for is
 * followed, so answering costs a look into a map. Where nobody is registered it waits a moment: processes restart.
 */
export function nuwaResolver(nuwa: NuwaClient, options: { cluster?: string; log?: Logger } = {}): Resolver {
  const { cluster, log = silentLogger } = options;
  const directories = new Map<string, ServiceDirectory>();
  const parsed = new Map<string, { directory: ServiceDirectory; instance: string | undefined }>();

  const parse = (address: string): { directory: ServiceDirectory; instance: string | undefined } => {
    const known = parsed.get(address);
    if (known) return known;
    const [, named, service, instance] = /^nuwa:\/\/([^/]+)\/([^/]+)\/([^/]+)?$/.exec(address) ?? [];
    if (service === undefined) throw new KuafuError('InvalidRequest', `not an address of a service: ${address}`);
    if (cluster !== undefined && named !== cluster) throw new KuafuError('InvalidRequest', `${address} is not of cluster ${cluster}`);
    let directory = directories.get(service);
    if (!directory) directories.set(service, (directory = new ServiceDirectory(nuwa, `${SERVICES_PATH}/${service}`, log)));
    const found = { directory, instance };
    parsed.set(address, found);
    return found;
  };

  return {
    async resolve(address, signal) {
      const { directory, instance } = parse(address);
      const addresses = directory.addresses(instance);
      return addresses.length > 0 ? addresses : directory.awaitAddresses(instance, signal);
    },
    suspect(address) {
      try {
        parse(address).directory.relist();
      } catch (error) {
        if (!hasCode(error, 'InvalidRequest')) throw error;
      }
    },
    nameOf: (address, tcpAddress) => parse(address).directory.nameOf(tcpAddress),
  };
}
