import { PanguError } from '../contract.ts';
import { parsePath } from './path.ts';

/**
 * A glob pattern, cut at its slashes. `literal` segments are names to go straight to; `wild` ones are matched against the names of a
 * directory; `deep` (`**`) stands for any number of directories, none included.
 */
export type GlobSegment = { kind: 'literal'; name: string } | { kind: 'wild'; pattern: string } | { kind: 'deep' };

export function parseGlob(pattern: string, cluster: string): GlobSegment[] {
  const path = pattern.replace(/^pangu:\/\/[^/]*/u, (prefix) => {
    parsePath(prefix, cluster); // refuses another cluster
    return '';
  });
  if (!path.startsWith('/')) throw new PanguError('EINVAL', `pattern "${pattern}" does not start with / or pangu://`);
  return path
    .slice(1)
    .split('/')
    .map((segment) => {
      if (segment === '') throw new PanguError('EINVAL', `pattern "${pattern}" has an empty name`);
      if (segment === '**') return { kind: 'deep' };
      const { wild, name, pattern: wildPattern } = readSegment(segment, pattern);
      return wild ? { kind: 'wild', pattern: wildPattern } : { kind: 'literal', name };
    });
}

/**
 * Only `*`, `?`, `[…]`, `{a,b}` and `\` are special; everything else that a matcher might take for more (extended globs,
 * negation, regular expressions) is escaped.
 */
function readSegment(segment: string, whole: string): { wild: boolean; name: string; pattern: string } {
  let wild = false;
  let name = '';
  let pattern = '';
  let braces = 0;
  let inBrackets = false;
  const characters = [...segment];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === '\\' && i + 1 < characters.length) {
      name += characters[i + 1];
      pattern += `\\${characters[++i]}`;
      continue;
    }
    if ('*?[]{}'.includes(character) && !(inBrackets && character !== ']')) {
      if (character !== ']' && character !== '}') wild = true;
      if (character === '[') inBrackets = true;
      if (character === ']') inBrackets = false;
      if (character === '{') braces++;
      if (character === '}') braces--;
      pattern += character;
    } else if (!inBrackets && '()|+@!^$.'.includes(character)) {
      pattern += `\\${character}`;
    } else if (character === '!' && characters[i - 1] === '[') {
      pattern += '^'; // the matcher knows only this spelling of "not these"
    } else pattern += character;
    name += character;
  }
  if (braces > 0 || inBrackets) throw new PanguError('EINVAL', `pattern "${whole}" has a { or [ without its end, or one that spans a /`);
  return { wild, name, pattern };
}
