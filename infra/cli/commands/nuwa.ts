import type { Command } from 'commander';
import type { NuwaNode } from '../../../services/nuwa/contract.ts';
import { action, print, printJson } from '../ui/action.ts';
import { inCluster } from '../ui/cluster.ts';
import { renderTable } from '../ui/table.ts';
import { formatBytes, formatTime } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

/** `feitian nuwa …`: the tree of small values in which the cluster's processes find one another. */
export function register(program: Command): void {
  const nuwa = program.command('nuwa').description('the coordination tree');

  verb(nuwa, 'ls [path]', 'children of a node', 'feitian nuwa ls /services/tubo', 'feitian nuwa ls -l /services/pangu-chunk')
    .option('-l, --long', 'with size, version, owner and time')
    .action(
      action(async (path: string | undefined, options: VerbOptions & { long?: boolean }) => {
        const { children, revision } = await inCluster(options.dir, ({ nuwa }) => nuwa.list(withoutTrailingSlash(path ?? '/')));
        if (options.json) printJson({ revision, children: children.map(nodeAsJson) });
        else if (children.length > 0) print(options.long ? longListing(children) : children.map(nameOf).join('\n'));
      }),
    );

  verb(nuwa, 'get <path>', 'the value of a node, as it stands', 'feitian nuwa get /services/tubo/node-1').action(
    action(async (path: string, options: VerbOptions) => {
      const node = await inCluster(options.dir, ({ nuwa }) => nuwa.get(withoutTrailingSlash(path)));
      if (options.json) return printJson(nodeAsJson(node));
      process.stdout.write(node.value);
      if (process.stdout.isTTY) process.stdout.write('\n');
    }),
  );
}

const withoutTrailingSlash = (path: string): string => (path.length > 1 ? path.replace(/\/+$/, '') || '/' : path);

const nameOf = ({ path, childCount }: NuwaNode): string => path.slice(path.lastIndexOf('/') + 1) + (childCount > 0 ? '/' : '');

function longListing(nodes: NuwaNode[]): string {
  const columns = [
    { title: 'size', align: 'right' },
    { title: 'version', align: 'right' },
    { title: 'owner' },
    { title: 'modified' },
    { title: 'name' },
  ] as const;
  return renderTable(
    columns,
    nodes.map((node) => [
      formatBytes(node.value.length),
      String(node.version),
      node.ephemeralOwner === undefined ? node.creator : `${node.creator} (ephemeral)`,
      formatTime(node.modifiedAtMs),
      nameOf(node),
    ]),
  );
}

/** The value as JSON if it is JSON, else as text if it is text, else in base 64. */
function nodeAsJson({ value, ...node }: NuwaNode): Record<string, unknown> {
  const bytes = Buffer.from(value);
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) return { ...node, base64: bytes.toString('base64') };
  try {
    return { ...node, value: JSON.parse(text) };
  } catch {
    return { ...node, value: text };
  }
}
