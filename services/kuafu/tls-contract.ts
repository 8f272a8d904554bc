import type { ConnectionOptions, TlsOptions } from 'node:tls';

/**
 * The port between Kuafu and who keeps certificates (Zhongkui). Each side shows one and checks the other's against the cluster's own authority; a
 * name that the certificate does not carry is refused. Certificates are short-lived, so they are asked for anew with each connection.
 */
export interface TlsMaterial {
  /** For a connection to `host`: own key and certificate, the authority, and, where it is not `host` that the peer's certificate names, how it is checked. */
  clientOptions(host: string): Pick<ConnectionOptions, 'key' | 'cert' | 'ca' | 'servername' | 'checkServerIdentity'>;
  serverOptions(): Pick<TlsOptions, 'key' | 'cert' | 'ca'>;
  /**
   * What is wrong with who was called, by the certificates that it showed (DER), its own first; undefined: nothing. For who cannot have TLS look, since it knows no more of the
   * authority than a digest. @default what TLS finds
   */
  problemOf?(chain: readonly Uint8Array[]): string | undefined;
  /** Called with every renewal: from then on `serverOptions` are the new ones. Returns how to stop listening. */
  onRenewed(listener: () => void): () => void;
}
