/** Short enough for any bound on paths and names. */
const CHARACTERS_MAX = 255;
const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;

/**
 * A path that means itself to whoever reads it, also as the name of a resource: absolute, ASCII without controls, `%` and `\`, and no name that is empty, `.` or `..`. Most
 * paths are, and to see it costs a twentieth of taking a path apart and looking at its names. Others may be good paths too.
 */
export function isPlainPath(path: string): boolean {
  if (path.length > CHARACTERS_MAX || path.charCodeAt(0) !== SLASH) return false;
  let from = 1;
  for (let at = 1; at <= path.length; at++) {
    const code = at < path.length ? path.charCodeAt(at) : SLASH;
    if (code < 0x20 || code > 0x7e || code === PERCENT || code === BACKSLASH) return false;
    if (code !== SLASH) continue;
    const length = at - from;
    if (length === 0 || (length <= 2 && path.charCodeAt(from) === DOT && path.charCodeAt(at - 1) === DOT)) return false;
    from = at + 1;
  }
  return true;
}
