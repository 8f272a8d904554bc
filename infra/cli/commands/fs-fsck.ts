import { type Command, Option } from 'commander';
import { LEDGER_KINDS, type LedgerKind } from '../../../services/pangu/core/ledger.ts';
import type { LedgerEntry } from '../../../services/pangu/healing-contract.ts';
import { action, print, printJson, SilentFailure, UsageError } from '../ui/action.ts';
import { wholeNumber } from '../ui/arguments.ts';
import { inCluster, withPangu } from '../ui/cluster.ts';
import { describeChunks } from '../ui/file-view.ts';
import { panguMasterOf } from '../ui/pangu-master.ts';
import { renderTable } from '../ui/table.ts';
import { formatBytes, formatCount, formatTime, parseMs } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

/** `feitian fs fsck`, `locate` and `ledger`: whether files are whole, where they lie, and what was lost and made again. They change nothing. */
export function registerFsck(fs: Command): void {
  verb(
    fs,
    'fsck [path]',
    'look for what is wrong with files, at and below a path; exit code 1 when something is',
    'feitian fs fsck',
    'feitian fs fsck /books --verify',
  )
    .option('--verify', 'read every replica back from its disk')
    .action(
      action(async (path: string | undefined, options: VerbOptions & { verify?: boolean }) => {
        const report = await inCluster(options.dir, async ({ cluster, kuafu }) => {
          const { fsck } = await import('../../../services/pangu/client.ts');
          const tell = ({ chunks, verifiedBytes }: { chunks: number; verifiedBytes: number }): void => {
            if (process.stderr.isTTY)
              process.stderr.write(`\r${formatCount(chunks)} chunks, ${formatBytes(verifiedBytes)} read back \x1b[K`);
          };
          const found = await fsck(kuafu, cluster.name, { path: path ?? '/', verify: options.verify ?? false, onProgress: tell });
          if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
          return found;
        });
        if (options.json) printJson(report);
        else print(describeReport(report));
        if (!report.clean) throw new SilentFailure();
      }),
    );

  verb(
    fs,
    'locate <path>',
    'on which nodes the chunks of a file lie, and which of them are there',
    'feitian fs locate /books/big.txt',
  ).action(
    action(async (path: string, options: VerbOptions) => {
      const chunks = await withPangu(options.dir, (pangu) => pangu.locate(path));
      const up = await inCluster(options.dir, async (member) =>
        (await panguMasterOf(member).space({})).servers.filter((server) => server.up),
      );
      const isUp = (node: string): boolean => up.some((server) => server.node === node);
      const located = chunks.map(({ nodes, ...chunk }) => ({
        ...chunk,
        nodes: [...nodes].sort().map((node) => ({ node, up: isUp(node) })),
      }));
      if (options.json) return printJson(located);
      const shown = located.map(({ nodes, ...chunk }) => ({
        ...chunk,
        nodes: nodes.map(({ node, up }) => (up ? node : `${node} (away)`)),
      }));
      print(describeChunks(shown));
    }),
  );

  verb(
    fs,
    'ledger',
    'what was lost of redundancy, and made again',
    'feitian fs ledger --since 1h',
    'feitian fs ledger --kind nodeDead --kind nodeBack',
  )
    .option('--since <time>', 'not older than this, such as 30m or 24h')
    .addOption(new Option('--kind <kind...>', 'of this kind').choices(LEDGER_KINDS))
    .option('--node <node>', 'of this node')
    .option('--chunk <chunk>', 'of this chunk')
    .option('--limit <n>', 'the newest so many', wholeNumber, 100)
    .action(
      action(async (options: VerbOptions & { since?: string; kind?: LedgerKind[]; node?: string; chunk?: string; limit: number }) => {
        const { since, kind: kinds, node, chunk, limit } = options;
        const sinceMs = since === undefined ? undefined : Date.now() - (parseMs(since) ?? refuseTime(since));
        const { entries } = await inCluster(options.dir, (member) =>
          panguMasterOf(member).ledger({ sinceMs, kinds, node, chunk, limit: Math.max(1, limit) }),
        );
        entries.reverse();
        if (options.json) printJson(entries);
        else if (entries.length > 0) print(describeLedger(entries));
      }),
    );
}

function refuseTime(text: string): never {
  throw new UsageError(`--since ${text} is no time, such as 30m or 24h`);
}

function describeReport(report: Awaited<ReturnType<typeof import('../../../services/pangu/client.ts')['fsck']>>): string {
  const { clean, files, chunks, replicas, bytes, verifiedBytes, problems } = report;
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const lines = [
    `${formatCount(files)} files, ${formatBytes(bytes)}, ${formatCount(chunks)} chunks, ${formatCount(replicas)} replicas`,
    ...(verifiedBytes > 0 ? [`${formatBytes(verifiedBytes)} read back`] : []),
  ];
  if (problems.length > 0) {
    const columns = [{ title: '' }, { title: 'problem' }, { title: 'file' }, { title: 'chunk' }, { title: 'what' }] as const;
    const rows = problems.map(({ severity, kind, path, chunk = '', detail }) => [severity, kind, path, chunk, detail]);
    lines.push('', renderTable(columns, rows), '');
  }
  const warnings = problems.length - errors;
  lines.push(
    clean
      ? `clean${warnings > 0 ? `, with ${formatCount(warnings)} warnings` : ''}`
      : `${formatCount(errors)} errors, ${formatCount(warnings)} warnings`,
  );
  return lines.join('\n');
}

function describeLedger(entries: readonly LedgerEntry[]): string {
  const columns = [
    { title: 'time' },
    { title: 'what' },
    { title: 'node' },
    { title: 'bytes', align: 'right' },
    { title: 'chunk' },
    { title: 'why' },
  ] as const;
  return renderTable(
    columns,
    entries.map(({ atMs, kind, node = '', bytes, chunk = '', cause }) => [formatTime(atMs), kind, node, formatBytes(bytes), chunk, cause]),
  );
}
