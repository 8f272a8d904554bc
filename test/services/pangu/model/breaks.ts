// biome-ignore-all lint/suspicious/noTemplateCurlyInString: source text that has templates in it
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A model test that finds nothing may be one that cannot. So Pangu is broken on purpose, in a copy of the project, in ways that a tired engineer could: the model
 * test must find each (`npm run soak -- pangu-breaks`). A piece of source stands for the place; it must be there once (breaks.test.ts).
 */
export interface Break {
  name: string;
  edits: { file: string; from: string; to: string }[];
}

export const BREAKS: readonly Break[] = [
  {
    name: 'servers and readers believe what disks give them',
    edits: [
      {
        file: 'services/pangu/core/blocks.ts',
        from: 'start + length <= readBytes && crc(bytes.subarray(start, start + length)) === checksumOf(block);',
        to: 'start + length <= readBytes && checksumOf(block) !== undefined && crc !== undefined;',
      },
      {
        file: 'services/pangu/client/file-reader.ts',
        from: 'if (attachment.length !== length || findMismatch(attachment, offset, body.crcs, crc) >= 0)',
        to: 'if (attachment.length !== length || (body.crcs.length < 0 && findMismatch(attachment, offset, body.crcs, crc) >= 0))',
      },
    ],
  },
  {
    name: 'the primary of a log acknowledges a batch that another replica did not take',
    edits: [
      {
        file: 'services/pangu/chunk/log/log-primary.ts',
        from: "throw new ChunkError('ChainBroken', `${node}: ${messageOf(error)}`, { cause: error, details: { node, cause } });",
        to: "void new ChunkError('ChainBroken', `${node}: ${messageOf(error)}`, { cause: error, details: { node, cause } });",
      },
    ],
  },
  {
    name: 'the recovery of a file keeps no more than a master was told',
    edits: [
      {
        file: 'services/pangu/core/recovery.ts',
        from: 'const shortest = Math.min(roomBytes, ...counted.map((replica) => replica.length));',
        to: 'const shortest = Math.min(roomBytes, length, ...counted.map((replica) => replica.length));',
      },
    ],
  },
  {
    name: 'a random file is written on when one replica has not taken a write',
    edits: [
      {
        file: 'services/pangu/client/random-chunk.ts',
        from: 'if (failures.length === 0) return place.replicas.map(',
        to: 'if (failures.length < results.length) return place.replicas.map(',
      },
    ],
  },
];

const ROOT = new URL('../../../..', import.meta.url).pathname;

export function countIn({ file, from }: Break['edits'][number], root = ROOT): number {
  return readFileSync(join(root, file), 'utf8').split(from).length - 1;
}

/** The project with a break in it. */
export function brokenCopy({ name, edits }: Break): { directory: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'feitian-broken-'));
  for (const each of ['services', 'infra', 'test', 'workflows', 'activities', 'package.json', 'tsconfig.json'])
    cpSync(join(ROOT, each), join(directory, each), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  for (const edit of edits) {
    if (countIn(edit, directory) !== 1) throw new Error(`"${name}" is not to be made: ${edit.file} has changed`);
    const path = join(directory, edit.file);
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(edit.from, () => edit.to),
    );
  }
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
