import { formatPath, PATH_BYTES_MAX } from './path.ts';

/**
 * What is removed goes to `/.trash/<user>/<time>/<where it stood>`, and is removed for good when it has lain there as long as the cluster keeps trash.
 * Getting it back is a rename. `<time>` is the beginning of the ten minutes in which it was removed: so directories there are shared by what was removed
 * together, and the trash of ten minutes goes as one directory. What would stand where something stands already gets a directory of a more exact time.
 */
export const TRASH_NAME = '.trash';
export const TRASH_RETENTION_MS_DEFAULT = 24 * 3600_000;
/** Also by how much longer than its retention something may lie there. */
export const TRASH_BUCKET_MS = 10 * 60_000;

const NOBODYS = 'nobody';
const encoder = new TextEncoder();

/** `user/alice` is one name: `user:alice`. */
export function trashUser(owner: string): string {
  const name = owner.replaceAll('/', ':').replaceAll('\0', '');
  return name === '' || name === '.' || name === '..' || encoder.encode(name).length > 255 ? NOBODYS : name;
}

/** Where something removed may go, in the order to be tried; `salt` makes the last one free. */
export function trashPlaces(owner: string, nowMs: number, names: readonly string[], salt: string): string[][] {
  const bucket = timeName(nowMs - (nowMs % TRASH_BUCKET_MS));
  const exact = timeName(nowMs);
  return [bucket, exact, `${exact}-${salt}`].map((time) => {
    const place = [TRASH_NAME, trashUser(owner), time, ...names];
    // Too deep to be named any more: then it goes by its last name alone.
    return encoder.encode(formatPath(place)).length <= PATH_BYTES_MAX ? place : [TRASH_NAME, trashUser(owner), time, names.at(-1)!];
  });
}

export function isInTrash(names: readonly string[]): boolean {
  return names[0] === TRASH_NAME;
}

/** Where something in the trash stood before; undefined for what is no such thing. */
export function originOf(names: readonly string[]): string[] | undefined {
  return isInTrash(names) && names.length > 3 && bucketTimeMs(names[2]!) !== undefined ? names.slice(3) : undefined;
}

/** When all in a directory of this name had been removed; undefined for names that the trash does not make. */
export function bucketTimeMs(name: string): number | undefined {
  const [, date, hour, minute, rest] = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)(?:-(\d\d\.\d{3}))?Z(?:-[0-9a-z-]+)?$/.exec(name) ?? [];
  if (date === undefined) return undefined;
  const atMs = Date.parse(`${date}T${hour}:${minute}:${rest ?? '00.000'}Z`);
  if (Number.isNaN(atMs)) return undefined;
  return rest === undefined ? atMs + TRASH_BUCKET_MS : atMs;
}

/** `2026-11-23T20-30Z` on the minute, `2026-11-23T20-31-07.123Z` otherwise: no colons, which shells and other systems dislike. */
function timeName(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace(/(:00\.000)?Z$/, 'Z')
    .replaceAll(':', '-');
}
