import { constants } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { isIP } from 'node:net';
import { basename, dirname } from 'node:path';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TlsOptions,
} from 'node:tls';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { type Random, systemRandom } from '../../base/random.ts';
import type { TlsMaterial } from '../../kuafu/tls-contract.ts';
import { renewalPlan } from '../core/certificate-renewal.ts';
import { certifiedNameOf } from '../core/machine-names.ts';
import type { AskAuthority } from './join-machine.ts';
import type { MachineCertificate } from './machine-certificate.ts';
import { loadMachine, type MachineFiles } from './machine-files.ts';

/**
 * Keeps a process supplied with its machine's certificate: reads it, gives it to Kuafu, has it renewed in time, and notices when another process of the machine was
 * first. Connections keep what they were opened with; the next one takes what is current. What is in the files and does not fit is told and left alone: the
 * certificate at hand goes on.
 */
export interface CertificateKeeper extends TlsMaterial {
  clientOptions(host: string): ConnectionOptions;
  serverOptions(): TlsOptions;
  readonly current: MachineCertificate;
  /** Asks for a new certificate now, due or not. Errors: CertificateRefused, Unavailable. */
  renewNow(): Promise<void>;
  close(): Promise<void>;
}

export interface KeeperOptions {
  files: MachineFiles;
  /** @default the files are followed, and renewed by somebody else */
  ask?: Pick<AskAuthority, 'renew'>;
  clock?: Clock;
  random?: Random;
  log?: Logger;
}

/** Without news from the file system, which not every one gives, a change is noticed within this time. */
const LOOK_MS = 30_000;

/** Errors: NoSuchKey, KeyMalformed, KeyUnsafe. */
export async function openCertificateKeeper(options: KeeperOptions): Promise<CertificateKeeper> {
  const keeper = new Keeper(options, await loadMachine(options.files));
  keeper.start();
  return keeper;
}

class Keeper implements CertificateKeeper {
  readonly #files: MachineFiles;
  readonly #ask: Pick<AskAuthority, 'renew'> | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<() => void>();
  #current: MachineCertificate;
  #context: SecureContext;
  #jitter: number;
  #failedAtMs: number | undefined;
  #watcher: FSWatcher | undefined;
  #looking: Promise<void> | undefined;
  #ended: Promise<void> = Promise.resolve();
  /** Ends the loop's pause. */
  #wake = new AbortController();

  constructor({ files, ask, clock = systemClock, random = systemRandom, log = silentLogger }: KeeperOptions, current: MachineCertificate) {
    this.#files = files;
    this.#ask = ask;
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
    this.#current = current;
    this.#context = createSecureContext(contextOf(current));
    this.#jitter = random.next();
  }

  start(): void {
    const { certificateFile } = this.#files;
    try {
      this.#watcher = watch(dirname(certificateFile), { persistent: false }, (_, name) => {
        if (name === null || name === basename(certificateFile)) void this.#look();
      });
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch (error) {
      this.#log.warn({ error, certificateFile }, 'certificate.unwatched');
    }
    this.#ended = this.#keep();
  }

  get current(): MachineCertificate {
    return this.#current;
  }

  clientOptions(host: string): ConnectionOptions {
    const name = certifiedNameOf(host, this.#current.cluster);
    return {
      ...contextOf(this.#current),
      // Made once, not for each connection; whoever makes one of its own finds what it needs above.
      secureContext: this.#context,
      rejectUnauthorized: true,
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
      // An address has no place in the greeting (RFC 6066, 3).
      ...(isIP(name) === 0 ? { servername: name } : {}),
    };
  }

  serverOptions(): TlsOptions {
    return { ...contextOf(this.#current), requestCert: true, rejectUnauthorized: true };
  }

  onRenewed(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async renewNow(): Promise<void> {
    if (!this.#ask) throw new Error('this keeper was not told how to renew');
    // Needed once a day, and slow to load.
    const { renewMachine } = await import('./join-machine.ts');
    this.#take(await renewMachine(this.#files, this.#current, this.#ask, () => this.#clock.nowMs()));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.abort();
    this.#watcher?.close();
    await this.#ended;
    await this.#looking;
  }

  async #keep(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const nowMs = this.#clock.nowMs();
      const { urgency, waitMs } = renewalPlan(this.#current, nowMs, this.#failedAtMs, this.#jitter);
      if (waitMs > 0 || !this.#ask) {
        await this.#pause(this.#ask ? Math.min(waitMs, LOOK_MS) : LOOK_MS);
        await this.#look();
        continue;
      }
      const { serial, machine, notAfterMs } = this.#current;
      try {
        await this.#look(); // another process of this machine may have been first
        if (this.#current.serial === serial) await this.renewNow();
      } catch (error) {
        this.#failedAtMs = nowMs;
        const level = urgency === 'due' ? 'warn' : 'error';
        this.#log[level]({ machine, urgency, expires: new Date(notAfterMs).toISOString(), error }, 'certificate.unrenewed');
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    const wake = new AbortController();
    this.#wake = wake;
    if (this.#closing.signal.aborted) return;
    await this.#clock.sleep(ms, wake.signal, { ref: false }).catch(() => {});
  }

  /** Takes what another process has put into the files. */
  #look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #read(): Promise<void> {
    try {
      const found = await loadMachine(this.#files);
      if (!this.#closing.signal.aborted && found.serial !== this.#current.serial) this.#take(found);
    } catch (error) {
      this.#log.error({ reason: messageOf(error) }, 'certificate.unreadable');
    }
  }

  #take(found: MachineCertificate): void {
    if (found.serial === this.#current.serial) return;
    this.#context = createSecureContext(contextOf(found));
    this.#current = found;
    this.#jitter = this.#random.next();
    this.#failedAtMs = undefined;
    this.#log.info(
      { machine: found.machine, serial: found.serial, expires: new Date(found.notAfterMs).toISOString() },
      'certificate.taken',
    );
    for (const listener of [...this.#listeners]) listener();
    this.#wake.abort();
  }
}

/**
 * TLS 1.3 only. Sessions are not resumed: a resumed one is not asked for its certificate again, which may have expired in the meantime.
 */
function contextOf({ certificate, keyPem, roots }: MachineCertificate): SecureContextOptions {
  return {
    cert: certificate,
    key: keyPem,
    ca: [...roots],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
