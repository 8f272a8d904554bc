/** A larger copy: doubled, but not beyond `bytesMax` unless more is needed. */
export function grown(bytes: Uint8Array, needed: number, bytesMax: number): Uint8Array {
  return copied(new Uint8Array(Math.max(needed, Math.min(bytes.length * 2, bytesMax))), bytes);
}

/** Fills the beginning of `to` with `from`. */
export function copied<A extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(to: A, from: A): A {
  to.set(from as never);
  return to;
}
