/**
 * The header `traceparent` of W3C Trace Context (https://www.w3.org/TR/trace-context/): `00-<trace id>-<span id>-<flags>`, lower-case hexadecimal of
 * 32, 16 and 2 digits. What happens for one workflow run is one trace, and its id is the run's id without dashes: whoever knows the run finds all
 * that was logged for it, in every process, without having asked for a trace beforehand.
 */
const PATTERN = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/** The trace's id, or undefined when this is no traceparent. All zeros are none, says the standard. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  const [, trace, span] = PATTERN.exec(traceparent ?? '') ?? [];
  return trace === undefined || /^0+$/.test(trace) || /^0+$/.test(span!) ? undefined : trace;
}

/** The root of a run's trace. `runId`: a UUID. */
export function traceOfRun(runId: string): string | undefined {
  const hex = runId.replaceAll('-', '').toLowerCase();
  const traceparent = `00-${hex}-${hex.slice(0, 16)}-01`;
  return traceIdOf(traceparent) === undefined ? undefined : traceparent;
}

/** A part of the trace, told apart by `part`, the same each time: workflows are run anew from their histories. */
export function childTrace(traceparent: string, part: string): string {
  const trace = traceIdOf(traceparent);
  if (trace === undefined) return traceparent;
  return `00-${trace}-${hash(`${traceparent}/${part}`, 0x811c9dc5)}${hash(`${part}/${traceparent}`, 0x9747b28c)}-01`;
}

/** FNV-1a of 32 bits, never zero: span ids need be distinct within their trace, not secret. */
function hash(text: string, seed: number): string {
  let value = seed;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return (value >>> 0 || 1).toString(16).padStart(8, '0');
}
