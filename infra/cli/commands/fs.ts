import type { Command } from 'commander';
import { registerAttributes } from './fs-attributes.ts';
import { registerCopy } from './fs-copy.ts';
import { registerFsck } from './fs-fsck.ts';
import { registerNames } from './fs-names.ts';
import { registerRead } from './fs-read.ts';
import { registerSpace } from './fs-space.ts';
import { registerTrash } from './fs-trash.ts';
import { registerWork } from './fs-work.ts';

/** `feitian fs …`: files in Pangu. */
export function register(program: Command): void {
  const fs = program.command('fs').description('files in Pangu; paths are /a/b or pangu://<cluster>/a/b');
  registerCopy(fs);
  registerRead(fs);
  registerNames(fs);
  registerSpace(fs);
  registerAttributes(fs);
  registerTrash(fs);
  registerFsck(fs);
  registerWork(fs);
}
