import { isPlainPath } from './plain-path.ts';

/**
 * Resources of the plain paths that were asked for last. A path comes anew from each request, as a text that nobody has seen; to put a resource together from it and find that in
 * a map (which reads all of it once more) costs three times what the comparison with the one before costs. What is remembered under one place gives way to
 * whatever comes next there, so it is bounded, and a miss costs no more than it did.
 */
const PLACES = 1_024; // with paths of 50 characters, 150 KB

export class ResourceMemo {
  readonly #format: (path: string, cluster: string) => string;
  readonly #paths = new Array<string>(PLACES).fill('');
  readonly #resources = new Array<string>(PLACES).fill('');
  #cluster = '';

  /** `format`: of a path that is plain. */
  constructor(format: (path: string, cluster: string) => string) {
    this.#format = format;
  }

  /** Undefined: the path is not plain, and may be none. */
  of(path: string, cluster: string): string | undefined {
    const place = placeOf(path);
    if (this.#paths[place] === path && cluster === this.#cluster && path !== '') return this.#resources[place];
    if (!isPlainPath(path)) return undefined;
    if (cluster !== this.#cluster) this.#begin(cluster);
    const resource = this.#format(path, cluster);
    // Out of the resource where it can be: the path itself may be a piece of a whole message, which would be kept with it.
    this.#paths[place] = resource.endsWith(path) ? resource.slice(resource.length - path.length) : path;
    this.#resources[place] = resource;
    return resource;
  }

  #begin(cluster: string): void {
    this.#paths.fill('');
    this.#cluster = cluster;
  }
}

/** By its length and a few of its last characters, in which names differ. */
function placeOf(path: string): number {
  const { length } = path;
  const last = path.charCodeAt(length - 1) + 31 * path.charCodeAt(length - 2) + 961 * path.charCodeAt(length - 3);
  return (last + 7 * length + 13 * path.charCodeAt(length >> 1)) & (PLACES - 1);
}
