import { readFile } from 'node:fs/promises';

/** From the service's own log: the most nodes that were between "stopping" and the next "listening" at one time, and the versions each node listened as. */
export async function readEvents(file: string): Promise<{ outMost: number; versions: Record<string, string[]> }> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  const events = lines.map((line) => JSON.parse(line) as { at: number; event: string; node: string; version: string });
  events.sort((a, b) => a.at - b.at);
  const out = new Set<string>();
  const versions: Record<string, string[]> = {};
  let outMost = 0;
  for (const { event, node, version } of events) {
    if (event === 'stopping') out.add(node);
    if (event === 'listening') {
      out.delete(node);
      (versions[node] ??= []).push(version);
    }
    outMost = Math.max(outMost, out.size);
  }
  return { outMost, versions };
}
