import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export interface Import {
  /** As written, without the quotes. */
  specifier: string;
  /** `import type` and `export type`: erased before anything runs. */
  typeOnly: boolean;
  line: number;
}

/** Paths of all files below `folder`, relative to `root`, with forward slashes. Dot folders and packages are not looked into. */
export function filesBelow(root: string, folder: string): string[] {
  const files: string[] = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name);
    if (entry.isFile()) files.push(path);
    else if (entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules') files.push(...filesBelow(root, path));
  }
  return files;
}

const IMPORT =
  /(?:^|[;\n])[ \t]*(import|export)\s+(type\s+)?(?:[^'"`;()]*?\sfrom\s+)?(['"])([^'"\n]+)\3|\bimport\s*\(\s*(['"])([^'"\n]+)\5\s*\)(\s*\.\s*[A-Z])?/g;

/** Import and export-from statements, dynamic imports, and `import('…').Type`. */
export function importsOf(source: string): Import[] {
  const code = withoutComments(source);
  return [...code.matchAll(IMPORT)].map((match) => ({
    specifier: (match[4] ?? match[6])!,
    typeOnly: match[2] !== undefined || match[7] !== undefined,
    line: code.slice(0, match.index + match[0].search(/\S/)).split('\n').length,
  }));
}

/** Comments as blanks, so that lines keep their numbers; strings stay as they are. */
export function withoutComments(source: string): string {
  return source.replace(
    /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (all, text?: string) => (text === undefined ? all.replace(/[^\n]/g, ' ') : text),
  );
}

export function readSource(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
