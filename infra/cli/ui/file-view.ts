import type { FileStat, PanguClient } from '../../../services/pangu/contract.ts';
import { renderTable } from './table.ts';
import { formatBytes, formatCount, formatTime } from './units.ts';

/** A name may hold anything, also what would break a line or drive a terminal. */
export function shownName(name: string): string {
  return name.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** The value of an attribute; one that is no text is shown as `0s` and base64, as getfattr does. */
export function shownValue([name, value]: [string, Uint8Array]): [string, string] {
  const bytes = Buffer.from(value);
  return [name, textOf(bytes) ?? `0s${bytes.toString('base64')}`];
}

export async function contentOf(
  path: string,
  reading: Promise<Buffer>,
): Promise<{ path: string; encoding: 'utf8' | 'base64'; content: string }> {
  const bytes = await reading;
  const text = textOf(bytes);
  return { path, encoding: text === undefined ? 'base64' : 'utf8', content: text ?? bytes.toString('base64') };
}

function textOf(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}

type Described = FileStat & { attributes: Record<string, string>; chunks: Awaited<ReturnType<PanguClient['locate']>> };

export function describeFile(file: Described): string {
  const kind = file.type === 'file' && file.kind !== 'append' ? ` of kind ${file.kind}` : '';
  const lines = [`path      ${shownName(file.path)}`, `type      ${file.type}${kind}${file.state === 'open' ? ', being written' : ''}`];
  if (file.owner !== '') lines.push(`owner     ${file.owner}`);
  if (file.type === 'file') {
    lines.push(`size      ${formatBytes(file.size)} (${formatCount(file.size)} bytes)`);
    lines.push(`chunks    ${file.chunks.length} of up to ${formatBytes(file.chunkBytes)}, ${file.replicas} copies each`);
  }
  lines.push(`created   ${formatTime(file.createdAtMs)}`, `modified  ${formatTime(file.modifiedAtMs)}`);
  for (const [name, value] of Object.entries(file.attributes)) lines.push(`attribute ${shownName(name)} = ${shownName(value)}`);
  if (file.chunks.length > 0) {
    lines.push('', describeChunks(file.chunks));
  }
  return lines.join('\n');
}

/** `nodes`: as they are to be read. */
export function describeChunks(chunks: readonly { offset: number; length: number; chunk: string; nodes: readonly string[] }[]): string {
  const columns = [
    { title: 'offset', align: 'right' },
    { title: 'length', align: 'right' },
    { title: 'chunk' },
    { title: 'nodes' },
  ] as const;
  const rows = chunks.map(({ offset, length, chunk, nodes }) => [formatCount(offset), formatCount(length), chunk, nodes.join(', ')]);
  return renderTable(columns, rows);
}
