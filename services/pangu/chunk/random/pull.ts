import { FeitianError, hasCode, messageOf } from '../../../base/errors.ts';
import { ChunkError } from '../../chunk-contract.ts';
import { blocksIn, RANDOM_BLOCK_BYTES, readTable } from '../../core/random-format.ts';
import { differingRanges } from '../../core/random-ranges.ts';
import { crc } from '../../crc.ts';
import { RANDOM_TRANSFER_BYTES_MAX } from '../../random-chunk-contract.ts';
import type { ChunkServerContext } from '../context.ts';

interface Request {
  chunk: string;
  version: number;
  capacityBytes: number;
  from: { node: string; address: string };
}

const READ_TIMEOUT_MS = 10_000;
const BLOCKS_MAX = RANDOM_TRANSFER_BYTES_MAX / RANDOM_BLOCK_BYTES;

/** What a replica that is not counted yet has. */
const UNCOUNTED_VERSION = 0;

/**
 * The sums of both are compared, and what differs is fetched and written like anything else: through the journal. What an interrupted pull left is a
 * good beginning, and so is a replica that only differs in what was under way when its writer died.
 */
export async function pull({ node, random: store, draining, chunkServerAt }: ChunkServerContext, request: Request) {
  const { chunk, capacityBytes, from } = request;
  const source = chunkServerAt(from.address);
  const asked = { node: from.node, chunk, version: request.version };
  if (!(await isSound(() => store.has(chunk)))) await store.delete(chunk);
  if (!(await store.has(chunk))) {
    if (draining.on) throw new ChunkError('Draining', `${node} is about to leave and takes no new chunks`);
    await store.make(chunk, capacityBytes, UNCOUNTED_VERSION);
  }
  const { version, sums } = await store.sums(chunk);
  const there = await ofSource(from.node, () => source.randomSums(asked, { timeoutMs: READ_TIMEOUT_MS }));
  const theirs = readTable(there.attachment, blocksIn(capacityBytes));
  let copiedBytes = 0;
  for (const { block, count } of differingRanges(sums, theirs, BLOCKS_MAX)) {
    const offset = block * RANDOM_BLOCK_BYTES;
    const length = count * RANDOM_BLOCK_BYTES;
    const { attachment: bytes, body } = await ofSource(from.node, () =>
      source.randomRead({ ...asked, offset, length }, { timeoutMs: READ_TIMEOUT_MS }),
    );
    if (bytes.length !== length || crc(bytes) !== body.crc)
      throw new ChunkError('BadChecksum', `bytes of chunk ${chunk} from ${from.node} were damaged on the way`, { details: { offset } });
    await store.write(chunk, { version, offset, bytes, durable: false });
    copiedBytes += length;
  }
  await store.setEnd(chunk, { version, end: there.body.end });
  const { end, digest } = await store.sums(chunk);
  return { end, digest, copiedBytes };
}

/** A file that cannot be opened is worth nothing. */
function isSound(look: () => Promise<unknown>): Promise<boolean> {
  return look().then(
    () => true,
    (error) => {
      if (hasCode(error, 'BadChecksum')) return false;
      throw error;
    },
  );
}

async function ofSource<T>(node: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const cause = error instanceof FeitianError ? error.code : 'Internal';
    throw new ChunkError('SourceFailed', `${node}: ${messageOf(error)}`, { cause: error, details: { node, cause } });
  }
}
