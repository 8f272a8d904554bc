import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsMaterial } from '../../../services/kuafu/tls-contract.ts';

/** An authority and its certificates, made by openssl in a directory that is gone afterwards. */
export interface Pair {
  key: string;
  cert: string;
}

export class TestAuthority {
  readonly #directory = mkdtempSync(join(tmpdir(), 'kuafu-ca-'));
  readonly cert: string;

  constructor() {
    this.#openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ca.key');
    this.#openssl('req', '-x509', '-new', '-key', 'ca.key', '-subj', '/CN=authority', '-days', '2', '-out', 'ca.crt');
    this.cert = this.#read('ca.crt');
  }

  /** `names` as openssl writes them; `validDays` below zero: it has expired. */
  issue(names = 'IP:127.0.0.1', validDays = 1): Pair {
    this.#openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'own.key');
    this.#openssl('req', '-new', '-key', 'own.key', '-subj', '/CN=process', '-out', 'own.csr');
    writeFileSync(join(this.#directory, 'own.ext'), `subjectAltName=${names}`);
    const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'own.ext'];
    this.#openssl('x509', '-req', '-in', 'own.csr', ...by, '-days', String(validDays), '-out', 'own.crt');
    return { key: this.#read('own.key'), cert: this.#read('own.crt') };
  }

  close(): void {
    rmSync(this.#directory, { recursive: true });
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#directory, stdio: ['ignore', 'ignore', 'pipe'] });
  }

  #read(name: string): string {
    return readFileSync(join(this.#directory, name), 'utf8');
  }
}

/** Certificates that are renewed by hand. */
export class TestMaterial implements TlsMaterial {
  readonly #listeners = new Set<() => void>();
  #own: Partial<Pair>;
  readonly #ca: string;

  constructor(ca: string, own: Partial<Pair>) {
    this.#ca = ca;
    this.#own = own;
  }

  clientOptions() {
    return { ...this.#own, ca: this.#ca };
  }

  serverOptions() {
    return { ...this.#own, ca: this.#ca };
  }

  onRenewed(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  renew(own: Pair): void {
    this.#own = own;
    for (const listener of this.#listeners) listener();
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}
