import { join } from 'node:path';

/** The authority's files below a directory: the role's own, and those that the command on its machine opens beside it. */
export function authorityFiles(directory: string): { authority: string; joins: string } {
  return { authority: join(directory, 'authority'), joins: join(directory, 'joins') };
}
