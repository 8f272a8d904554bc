import type { ConnectionOptions, TlsOptions } from 'node:tls';

/**
 * What Kuafu needs to speak TLS. Who keeps the certificates (Zhongkui) implements it; Kuafu knows neither files nor authorities.
 * Each call gives what is current: certificates are renewed while connections are open, and what was opened with an older one stays.
 */
export interface TlsMaterial {
  /** For a connection to `host`, a name or an address: it is refused unless the other side's certificate is for that host. */
  clientOptions(host: string): ConnectionOptions;
  serverOptions(): TlsOptions;
  /** Called after each renewal: servers take their options anew. Returns what ends it. */
  onRenewed(listener: () => void): () => void;
}
