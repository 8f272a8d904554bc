import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, messageOf } from '../../base/errors.ts';
import type { LogMark } from '../chunk-contract.ts';
import type { MasterContext } from './context.ts';

const SEAL_TIMEOUT_MS = 5_000;
/** A server that works answers at once. When one has, the others get so much longer: writers wait for this, and what is left out is copied again. */
const STRAGGLER_MS = 1_500;

export interface FrozenChunk {
  readonly replicas: { node: string; length: number; marks: readonly LogMark[] }[];
  /** Did not answer. What they hold, and whether they will be back, nobody knows. */
  readonly silent: string[];
}

/**
 * Seals an open chunk where it is, on every replica that answers: it grows there no more. One that never heard of the chunk, or cannot read what it has of it, holds
 * nothing.
 */
export async function freezeChunk(
  { chunkServers, chunkServerAt, log }: MasterContext,
  chunk: string,
  nodes: readonly string[],
): Promise<FrozenChunk> {
  const replicas: FrozenChunk['replicas'] = [];
  let answered = (): void => {};
  const firstAnswer = new Promise<void>((resolve) => {
    answered = resolve;
  });
  const all = Promise.all(
    nodes.map(async (node) => {
      const server = chunkServers.get(node);
      try {
        if (!server) throw new Error('it is not registered');
        const { length, marks = [] } = await chunkServerAt(server.address).seal(
          { node, chunk, durable: true },
          { timeoutMs: SEAL_TIMEOUT_MS },
        );
        replicas.push({ node, length, marks });
        answered();
      } catch (error) {
        if (hasCode(error, 'NoChunk', 'Draining', 'BadChecksum', 'DiskFailed')) replicas.push({ node, length: 0, marks: [] });
        log.debug({ chunk, node, error: messageOf(error) }, 'chunk.freeze.failed');
      }
    }),
  );
  const waiting = new AbortController();
  const patience = firstAnswer.then(() => delay(STRAGGLER_MS, undefined, { signal: waiting.signal })).catch(() => {});
  await Promise.race([all, patience]);
  waiting.abort();
  const inTime = [...replicas];
  return { replicas: inTime, silent: nodes.filter((node) => !inTime.some((replica) => replica.node === node)) };
}

/** Cuts a frozen chunk; returns the nodes where that failed. */
export async function sealAt(
  { chunkServers, chunkServerAt, log }: MasterContext,
  chunk: string,
  length: number,
  nodes: readonly string[],
): Promise<string[]> {
  const failed = await Promise.all(
    nodes.map(async (node) => {
      try {
        const address = chunkServers.get(node)!.address;
        await chunkServerAt(address).seal({ node, chunk, length, durable: true }, { timeoutMs: SEAL_TIMEOUT_MS });
        return [];
      } catch (error) {
        log.warn({ chunk, node, error: messageOf(error) }, 'chunk.seal.failed');
        return [node];
      }
    }),
  );
  return failed.flat();
}
