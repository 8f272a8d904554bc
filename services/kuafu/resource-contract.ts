import { escapeSegment } from '../base/escape-segment.ts';
import { KuafuError } from './contract.ts';

/**
 * The name of what a request touches, for `access` of methods: `fuxi://local/runs/4711`. Each segment comes from the request as it is, so one that is no
 * segment is refused: to repair it would be to check another resource than the one that is used. What names of resources may not hold is escaped.
 */
export function resourceOf(scheme: string, cluster: string, ...segments: readonly string[]): string {
  for (const segment of segments) {
    const problem = segmentProblem(segment);
    if (problem !== undefined) throw new KuafuError('InvalidRequest', `"${segment.slice(0, 100)}" ${problem}`);
  }
  return `${scheme}://${cluster}/${segments.map(escapeSegment).join('/')}`;
}

/** All that a service has: what concerns it as a whole is asked of this. */
export const wholeOf =
  (scheme: string) =>
  (_request: unknown, cluster: string): string =>
    `${scheme}://${cluster}/`;

function segmentProblem(segment: string): string | undefined {
  if (segment === '' || segment === '.' || segment === '..') return 'is no name';
  if (segment.includes('/') || segment.includes('\0')) return 'is no name: it holds a / or NUL';
  // Half a surrogate pair has no bytes of its own: two such names would be one on the wire.
  return /\p{Surrogate}/u.test(segment) ? 'is not well-formed Unicode' : undefined;
}
