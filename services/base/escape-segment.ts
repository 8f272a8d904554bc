/**
 * Names may hold what the name of a resource may not: a `%` or `\`, controls, marks that turn the direction of writing, text that is not in Unicode's normal form C. They are
 * written as their bytes in UTF-8, `%XX` in capitals, and all else as it is. So a name has one form as a segment and a segment stands for one name:
 *
 *   1. what can be read in two ways is escaped, `%` among it, and nothing else is
 *   2. if what comes of it is not in normal form C, all that is not ASCII is escaped
 *
 * Rule 2 looks at what comes of rule 1, since an escape ends in a letter that an accent after it would join.
 */
const ESCAPED = /[%\\]|\p{Cc}|\p{Zl}|\p{Zp}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;
const EACH_ESCAPED = new RegExp(ESCAPED, 'gu');
const EACH_WIDE = /[^\0-\x7f]/gu;
/** Half a pair has no UTF-8. No name holds one, and what does is left for whoever reads it to refuse. */
const HALF_PAIR = /\p{Cs}/u;
const ASCII = /^[\0-\x7f]*$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function escapeSegment(name: string): string {
  if (HALF_PAIR.test(name)) return name;
  const segment = ESCAPED.test(name) ? name.replace(EACH_ESCAPED, escapeCharacter) : name;
  return ASCII.test(segment) || segment.normalize('NFC') === segment ? segment : segment.replace(EACH_WIDE, escapeCharacter);
}

/** The name that a segment stands for; undefined when no name is written so. */
export function unescapeSegment(segment: string): string | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < segment.length; ) {
    const code = segment.codePointAt(at)!;
    if (code === PERCENT) {
      const digits = segment.slice(at + 1, at + 3);
      if (!/^[0-9A-F]{2}$/.test(digits)) return undefined;
      bytes.push(Number.parseInt(digits, 16));
      at += 3;
    } else {
      const character = String.fromCodePoint(code);
      bytes.push(...encoder.encode(character));
      at += character.length;
    }
  }
  try {
    const name = decoder.decode(Uint8Array.from(bytes));
    return escapeSegment(name) === segment ? name : undefined;
  } catch {
    return undefined;
  }
}

/** Of a path whose names are good ones. */
export const escapePath = (path: string): string => path.split('/').map(escapeSegment).join('/');

const PERCENT = 0x25;

function escapeCharacter(character: string): string {
  let text = '';
  for (const byte of encoder.encode(character)) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return text;
}
