import { hasCode } from '../../../services/base/errors.ts';
import { writePrivateFile } from '../../../services/zhongkui/client.ts';
import { ZhongkuiError } from '../../../services/zhongkui/contract.ts';

export const FORCE_OPTION = ['--force', 'replace the file that --out names, if it is there already'] as const;

/** Standard output. */
export const isStdout = (out: string): boolean => out === '-';

/** Puts what a verb made where `--out` says. What stands there already may be somebody's only copy of something. Errors: KeyExists; KeyUnsafe (it is no file). */
export async function writeOut(out: string, content: string, force = false): Promise<void> {
  if (isStdout(out)) return void process.stdout.write(content);
  await writePrivateFile(out, content, { fresh: !force }).catch((error: unknown) => {
    if (!hasCode(error, 'KeyExists')) throw error;
    throw new ZhongkuiError('KeyExists', `${out} is there already: name another file, or replace it with --force`);
  });
}
