import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type FileStat, type PanguClient, PanguError, type WriteOptions } from '../../../../services/pangu/contract.ts';
import { isWithin, parsePath } from '../../../../services/pangu/core/path.ts';
import { childPath, childrenOf, closedFile, expand, panguStat } from '../pangu-paths.ts';
import { type Copied, type CopyOptions, copyAll, prepare } from './copy-all.ts';
import { emptyPlan, type Plan } from './plan.ts';
import { panguPrint, statPrint } from './prints.ts';
import { counting } from './standard.ts';

/** Within Pangu, through this machine. A copy is cut into chunks, and has as many copies of them, as its source. */
export async function copyWithin(
  pangu: PanguClient,
  sources: readonly string[],
  destination: string,
  how: CopyOptions & { recursive?: boolean | undefined },
): Promise<Copied> {
  const found = (await Promise.all(sources.map((source) => expand(pangu, source)))).flat();
  const directory = found.find((file) => file.type === 'directory');
  if (directory && !how.recursive) throw new Error(`EISDIR: ${directory.path} is a directory (add -r to copy it with all below it)`);
  const into =
    how.journal.into ?? (found.length > 1 || destination.endsWith('/') || (await panguStat(pangu, destination))?.type === 'directory');
  const plan = emptyPlan();
  const stats = new Map<string, FileStat>();
  for (const file of found) {
    const to = into ? childPath(destination, posix.basename(file.path)) : destination;
    if (isInside(to, file.path)) throw new PanguError('EINVAL', `${to} is ${to === file.path ? 'the same' : `inside ${file.path}`}`);
    await planWithin(pangu, file, to, plan, stats);
  }
  await prepare(plan, into, how.journal, (each) => pangu.mkdir(each, { recursive: true }));
  const printOf = async (path: string): Promise<string | undefined> => {
    const there = await closedFile(pangu, path);
    return there && statPrint(there);
  };
  return copyAll(
    'cp',
    plan,
    {
      sourcePrint: ({ from }) => printOf(from),
      targetPrint: ({ to }) => printOf(to),
      isSame: async ({ from, to, bytes }) =>
        (await panguStat(pangu, to))?.size === bytes && (await panguPrint(pangu, from)) === (await panguPrint(pangu, to)),
      copy: async ({ from, to }, onBytes) => {
        let bytes = 0;
        const count = counting((length) => {
          bytes += length;
          onBytes(length);
        });
        const { chunkBytes, replicas } = stats.get(from)!;
        const target: WriteOptions = { chunkBytes, replicas, parents: true };
        await pipeline(pangu.createReadStream(from), count, pangu.createWriteStream(to, target), { signal: how.signal });
        return { bytes, source: statPrint(stats.get(from)!), target: (await printOf(to)) ?? '' };
      },
    },
    how,
  );
}

async function planWithin(pangu: PanguClient, file: FileStat, to: string, plan: Plan, stats: Map<string, FileStat>): Promise<void> {
  if (file.type === 'file') {
    plan.files.push({ from: file.path, to, bytes: file.size });
    stats.set(file.path, file);
    return;
  }
  plan.directories.push(to);
  for await (const entry of childrenOf(pangu, file.path))
    await planWithin(pangu, entry, childPath(to, posix.basename(entry.path)), plan, stats);
}

const isInside = (inner: string, outer: string): boolean => isWithin(parsePath(inner).names, parsePath(outer).names);
