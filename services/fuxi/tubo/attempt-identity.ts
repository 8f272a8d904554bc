import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { NuwaClient } from '../../nuwa/contract.ts';
import { pathResource } from '../../pangu/client.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import { createKeyPair, formatPrivateKey, revoke, tokenIdOf } from '../../zhongkui/client.ts';
import type { Capability, ProcessIdentity } from '../../zhongkui/contract.ts';
import { type AttemptPlace, attemptTokenParts } from '../attempt-contract.ts';
import { attemptPath, type BatchRequest, type SplitsFile } from '../contract.ts';
import { inputFilesOf, narrowest } from '../core/attempt-inputs.ts';
import type { AttemptIdentity } from '../runner/messages.ts';

/**
 * Who an attempt is: a key of its own, made for it, and a token that Tubo delegates from what it holds itself: reading what the attempt's input is made of, writing its
 * own private output, finding Pangu by name, and nothing else. The token lives for some minutes and is renewed while the attempt runs. It is dead with it:
 * Tubo revokes it when it kills the attempt, and the workflow does when it gives the whole node up, for both know its id (`tokenIdOf`).
 */
const TOKEN_MS = 15 * 60_000;
const RENEW_MS = 5 * 60_000;
/** More files than this in one attempt's input are named by their directories. */
const FILES_MAX = 48;

export interface RunningIdentity {
  readonly identity: AttemptIdentity;
  /** The attempt has ended. `killed`: whatever is left of it must not write any more. */
  end(killed: boolean): void;
}

export interface AttemptIdentitiesOptions {
  own: ProcessIdentity;
  cluster: string;
  pangu: PanguClient;
  nuwa: NuwaClient;
  log: Logger;
}

export class AttemptIdentities {
  readonly #options: AttemptIdentitiesOptions;
  /** Of the batches of one task: the same file is wanted again and again. */
  #splits: { path: string; content: Promise<SplitsFile> } | undefined;

  constructor(options: AttemptIdentitiesOptions) {
    this.#options = options;
  }

  /** `renewed` gets what takes the place of the first. */
  async begin(request: BatchRequest, attempt: AttemptPlace, renewed: (identity: AttemptIdentity) => void): Promise<RunningIdentity> {
    const { own, nuwa, log } = this.#options;
    const keyPair = createKeyPair();
    const key = formatPrivateKey(keyPair);
    const id = tokenIdOf(...attemptTokenParts(attempt));
    const capabilities = await this.#capabilities(request, attempt);
    const name = ['attempt', attempt.runId, attempt.task, String(attempt.instance), String(attempt.attempt)].join('/');
    let expiresAtMs = 0;
    const issue = async (): Promise<AttemptIdentity> => {
      const issued = await own.delegate({ id, holder: keyPair, name, capabilities, ttlMs: TOKEN_MS });
      expiresAtMs = issued.expiresAtMs;
      return { key, token: issued.token };
    };
    const identity = await issue();
    const timer = setInterval(() => {
      issue().then(renewed, (error) => log.warn({ ...attempt, error: messageOf(error) }, 'attempt.token_not_renewed'));
    }, RENEW_MS);
    timer.unref();
    return {
      identity,
      end(killed) {
        clearInterval(timer);
        if (!killed) return;
        revoke(nuwa, { of: id, reason: 'the attempt was given up', expiresAtMs }).catch((error) =>
          log.warn({ ...attempt, error: messageOf(error) }, 'attempt.token_not_revoked'),
        );
      },
    };
  }

  async #capabilities({ input, output, program }: BatchRequest, { instance, attempt }: AttemptPlace): Promise<Capability[]> {
    const { cluster } = this.#options;
    const reads: string[] = [];
    if (input.kind === 'files') reads.push(input.splits, ...inputFilesOf(await this.#splitsAt(input.splits), instance));
    if (input.kind === 'shuffle') reads.push(...input.from.map(({ directory }) => directory));
    if ('module' in program && program.module.startsWith('pangu://')) reads.push(program.module.replace(/#[^#]*$/, ''));
    const resources = narrowest([...new Set(reads.map((path) => pathOf(pathResource(path, cluster))))], FILES_MAX);
    const capabilities: Capability[] = resources.map((path) => ({ resource: `pangu://${cluster}${path}`, operations: ['read'] }));
    if (output.kind !== 'none') {
      const resource = pathResource(attemptPath(output.directory, instance, attempt), cluster);
      capabilities.push({ resource, operations: ['read', 'write'] });
    }
    capabilities.push({ resource: `nuwa://${cluster}/services`, operations: ['read'] });
    return capabilities;
  }

  #splitsAt(path: string): Promise<SplitsFile> {
    if (this.#splits?.path !== path) {
      const content = this.#options.pangu.readFile(path).then((bytes) => JSON.parse(bytes.toString()) as SplitsFile);
      const splits = { path, content };
      this.#splits = splits;
      content.catch(() => {
        if (this.#splits === splits) this.#splits = undefined;
      });
    }
    return this.#splits.content;
  }
}

/** What stands behind the cluster's name. */
const pathOf = (resource: string): string => resource.slice(resource.indexOf('/', 'pangu://'.length));
