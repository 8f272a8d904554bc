import { z } from 'zod';
import { defineService, KuafuError, streamMethod } from './contract.ts';
import { wholeOf } from './resource-contract.ts';

/**
 * What the proxies of two machines say to each other: one stream for each channel between a process here and a process there. Its messages have no bodies; the
 * bytes of the channel are their attachments, as they came. The first message from the far side is empty and says that the process there has been reached.
 *
 * Errors: `PermissionDenied`, the far proxy opens no such address; `Unavailable` with `details.target`, nobody answers there. Any other says that the far
 * proxy cannot help, and the near one goes without it.
 */
export const PROXY_SERVICE = 'kuafu-proxy';

export const kuafuProxyService = defineService(PROXY_SERVICE, {
  errors: KuafuError,
  methods: {
    open: streamMethod({
      /** `tcp://host:port` or `tls://host:port` of a process on the machine that is asked. */
      request: z.object({ address: z.string().max(300) }),
      response: z.void(),
      up: z.void(),
      down: z.void(),
      access: { operation: 'peer', on: wholeOf('kuafu') },
    }),
  },
});

/** In the registration of a proxy: the hosts of its machine, with commas between. */
export const HOSTS_ATTRIBUTE = 'hosts';
