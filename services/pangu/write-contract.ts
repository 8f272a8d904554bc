import { z } from 'zod';
import { method } from '../kuafu/contract.ts';
import { BLOCK_BYTES } from './contract.ts';
import { bytesSchema, CHUNK_BYTES_MAX, idSchema, pathSchema, requestIdSchema } from './contract-fields.ts';
import { pathResource } from './core/resources.ts';
import { FILE_KINDS, FILE_STATES } from './core/states.ts';

/** What masters answer of the writer's lease (master/lease.ts), of files that are opened again to be written, and of logs. A part of `masterService`. */

export const leaseFields = {
  /** The id under which the writer's client stands in Nuwa, below `WRITERS_PATH`. Absent: no lease is kept, and whoever comes next may write. */
  writer: idSchema.optional(),
  /** What the writer was given when it opened the file. Another number there now: ESTALE. Absent: not asked. */
  epoch: bytesSchema.optional(),
};

/** Where those who write stand in Nuwa, each for as long as its session. */
export const WRITERS_PATH = '/pangu/writers';

const ofPath = ({ path }: { path: string }, cluster: string): string => pathResource(path, cluster);
const WRITE_PATH = { operation: 'write', on: ofPath } as const;
const OF_FILE = 'identified';

export const openedSchema = z.object({
  file: idSchema,
  kind: z.enum(FILE_KINDS),
  epoch: bytesSchema,
  size: bytesSchema,
  chunkBytes: bytesSchema,
  replicas: z.int(),
  minReplicas: z.int(),
  /** For the first chunk that this writer asks for. */
  nextIndex: z.int(),
});
export type Opened = z.infer<typeof openedSchema>;

export const writeMethods = {
  /**
   * Takes the lease of a file that is there. A writer that is gone is not waited for: what it left open is closed first. Errors: ENOENT, EISDIR, EBUSY
   * (details.holder).
   */
  openForWrite: method({
    request: z.object({ requestId: requestIdSchema, path: pathSchema, writer: leaseFields.writer }),
    response: openedSchema,
    idempotent: true,
    access: WRITE_PATH,
  }),
  /** Gives the lease back without a word of what was written since the last commit: the file is closed as for a writer that is gone. */
  release: method({
    request: z.object({ file: idSchema, epoch: bytesSchema }),
    response: z.object({ state: z.enum(FILE_STATES) }),
    idempotent: true,
    access: OF_FILE,
  }),
  /** Of a directory; 0: nothing said. Errors: ENOENT, ENOTDIR. */
  setChunkBytes: method({
    request: z.object({
      path: pathSchema,
      chunkBytes: z.int().min(0).max(CHUNK_BYTES_MAX).multipleOf(BLOCK_BYTES),
    }),
    response: z.object({}),
    idempotent: true,
    access: WRITE_PATH,
  }),
};
