import type { Command } from 'commander';
import { PanguError } from '../../../services/pangu/contract.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { withPangu } from '../ui/cluster.ts';
import { writeOut } from '../ui/copy/standard.ts';
import { shownName, shownValue } from '../ui/file-view.ts';
import { expand, walkEntries } from '../ui/pangu-paths.ts';
import { formatCount } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

const OWNER_BYTES_MAX = 255;

/** `feitian fs chown|attr`: what stands beside a file's name and bytes. */
export function registerAttributes(fs: Command): void {
  verb(fs, 'chown <owner> <paths...>', 'say whose files and directories are', 'feitian fs chown -R user/alice /home/alice')
    .option('-R, --recursive', 'all below directories too')
    .action(
      action(async (owner: string, paths: string[], options: VerbOptions & { recursive?: boolean }) => {
        if (owner === '' || Buffer.byteLength(owner) > OWNER_BYTES_MAX) throw new UsageError(`an owner has 1 to ${OWNER_BYTES_MAX} bytes`);
        const changed = await withPangu(options.dir, async (pangu) => {
          let count = 0;
          for await (const { path } of walkEntries(pangu, paths, options.recursive ?? false)) {
            await pangu.chown(path, owner);
            count++;
          }
          return count;
        });
        if (options.json) printJson({ owner, changed });
        else print(`${formatCount(changed)} changed`);
      }),
    );

  const attributes = fs.command('attr').description('extended attributes: names of up to 255 bytes with values of up to 4 KiB');

  verb(attributes, 'ls <path>', 'all of a file or directory', 'feitian fs attr ls /books/big.txt').action(
    action(async (path: string, options: VerbOptions) => {
      const found = Object.fromEntries([...(await withPangu(options.dir, (pangu) => pangu.attributes(path)))].map(shownValue));
      if (options.json) printJson(found);
      else for (const [name, value] of Object.entries(found)) print(`${shownName(name)} = ${shownName(value)}`);
    }),
  );

  verb(attributes, 'get <path> <name>', 'print one, byte for byte', 'feitian fs attr get /books/big.txt user.language').action(
    action(async (path: string, name: string, options: VerbOptions) => {
      const value = (await withPangu(options.dir, (pangu) => pangu.attributes(path))).get(name);
      if (!value) throw new PanguError('ENODATA', `${path} has no attribute "${name}"`);
      if (options.json) printJson({ path, name, value: shownValue([name, value])[1] });
      else await writeOut(value);
    }),
  );

  verb(attributes, 'set <path> <assignment>', 'set one', 'feitian fs attr set /books/big.txt user.language=zh').action(
    action(async (path: string, assignment: string, options: VerbOptions) => {
      const at = assignment.indexOf('=');
      if (at < 1) throw new UsageError(`${assignment} is not <name>=<value>`);
      const [name, value] = [assignment.slice(0, at), assignment.slice(at + 1)];
      await withPangu(options.dir, (pangu) => pangu.setAttribute(path, name, value));
      if (options.json) printJson({ path, name, value });
    }),
  );

  verb(attributes, 'rm <paths...>', 'remove one: <path…> <name>', 'feitian fs attr rm /books/big.txt user.language').action(
    action(async (args: string[], options: VerbOptions) => {
      if (args.length < 2) throw new UsageError('name at least one path, and the attribute last');
      const name = args.at(-1)!;
      await withPangu(options.dir, async (pangu) => {
        const found = (await Promise.all(args.slice(0, -1).map((path) => expand(pangu, path)))).flat();
        for (const { path } of found) await pangu.removeAttribute(path, name);
      });
      if (options.json) printJson({ removed: name });
    }),
  );
}
