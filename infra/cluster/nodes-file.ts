import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writePrivateFile } from './private-file.ts';

/** The nodes of a cluster to which nodes came or from which they left. */
const nodesSchema = z.array(z.object({ id: z.string(), rack: z.string() })).min(1);
export type ClusterNodes = z.infer<typeof nodesSchema>;

export function writeNodes(path: string, nodes: ClusterNodes): void {
  writePrivateFile(path, `${JSON.stringify(nodes, undefined, 2)}\n`);
}

/** Undefined when no node ever came or left. */
export async function readNodes(path: string): Promise<ClusterNodes | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : nodesSchema.parse(JSON.parse(text));
}
