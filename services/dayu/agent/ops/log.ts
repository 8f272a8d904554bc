import type { ServiceHandlers } from '../../../kuafu/contract.ts';
import type { dayuAgentService } from '../../contract.ts';
import { fileBytes, readBytes } from '../log-file.ts';
import { placesOf } from '../places.ts';

/** What an instance wrote since its log was last turned over. One that never was here, or said nothing, reads as empty. */
export function createLog(servicesDirectory: string): ServiceHandlers<typeof dayuAgentService>['log'] {
  return async ({ application, role, offset, length }) => {
    // Names of roles are what a descriptor may say; anything else could be a path.
    const file = placesOf(servicesDirectory, application).log(encodeURIComponent(role));
    return { body: { totalBytes: await fileBytes(file) }, attachment: await readBytes(file, offset, length) };
  };
}
