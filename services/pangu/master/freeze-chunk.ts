import { hasCode, messageOf } from '../../base/errors.ts';
import type { LogMark } from '../chunk-contract.ts';
import type { MasterContext } from './context.ts';

/** A server that works answers at once; one that does not is left out. */
const SEAL_TIMEOUT_MS = 5_000;

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
  const frozen: FrozenChunk = { replicas: [], silent: [] };
  await Promise.all(
    nodes.map(async (node) => {
      const server = chunkServers.get(node);
      try {
        if (!server) throw new Error('it is not registered');
        const { length, marks = [] } = await chunkServerAt(server.address).seal(
          { node, chunk, durable: true },
          { timeoutMs: SEAL_TIMEOUT_MS },
        );
        frozen.replicas.push({ node, length, marks });
      } catch (error) {
        if (hasCode(error, 'NoChunk', 'Draining', 'BadChecksum', 'DiskFailed')) frozen.replicas.push({ node, length: 0, marks: [] });
        else frozen.silent.push(node);
        log.debug({ chunk, node, error: messageOf(error) }, 'chunk.freeze.failed');
      }
    }),
  );
  return frozen;
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
