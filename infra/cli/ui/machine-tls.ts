import { resolve } from 'node:path';
import type { ClusterInfo } from '../../cluster/cluster-file.ts';

/** Which certificate a command shows: the one that the environment names, as a role's does, or else that of the cluster it is about. */
export function commandCertificate(cluster?: Pick<ClusterInfo, 'tls'>): ClusterInfo['tls'] {
  const { FEITIAN_TLS_CERTIFICATE: certificate, FEITIAN_TLS_KEY: key } = process.env;
  if (certificate && key) return { certificateFile: resolve(certificate), keyFile: resolve(key) };
  return cluster?.tls;
}

let used: string | undefined;

/** From then on this process speaks TLS, with a certificate that others renew: a command that runs for days finds the next one in the files. */
export async function useCommandTls(cluster?: Pick<ClusterInfo, 'tls'>): Promise<void> {
  const files = commandCertificate(cluster);
  if (!files || used === files.certificateFile) return;
  const [{ openCertificateKeeper }, { useMachineTls }] = await Promise.all([
    import('../../../services/zhongkui/client.ts'),
    import('../../../services/kuafu/client.ts'),
  ]);
  // It keeps no process alive, so nobody has to close it.
  useMachineTls(await openCertificateKeeper({ files }));
  used = files.certificateFile;
}
