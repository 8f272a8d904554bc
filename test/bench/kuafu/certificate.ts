import { join } from 'node:path';
import { runProgram } from '../../../infra/setup/run-program.ts';

export interface CertificateFiles {
  keyFile: string;
  certFile: string;
}

/** For a day, for this machine, by itself: server, caller and authority in one. P-256, as machines of a cluster have. */
export async function selfSigned(dir: string): Promise<CertificateFiles> {
  const [keyFile, certFile] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-x509', '-days', '1'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  await runProgram('openssl', ['req', ...kind, ...name, '-keyout', keyFile, '-out', certFile], { timeoutMs: 30_000 });
  return { keyFile, certFile };
}
