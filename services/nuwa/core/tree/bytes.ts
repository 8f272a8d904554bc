/** The value of a node that was given none; shared, since most directories have it. */
export const NO_BYTES = new Uint8Array(0);
