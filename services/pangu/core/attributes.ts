import { PanguError } from '../contract.ts';

/** Extended attributes are small facts beside a file or directory. The limits are those that Linux file systems keep, so that what is copied there fits. */
export const ATTRIBUTE_NAME_BYTES_MAX = 255;
export const ATTRIBUTE_BYTES_MAX = 4 * 1024;
/** Names and values of all together. */
export const ATTRIBUTES_BYTES_MAX = 64 * 1024;

const encoder = new TextEncoder();

export function checkAttribute(name: string, value: Uint8Array): void {
  if (name === '') throw new PanguError('EINVAL', 'an attribute needs a name');
  if (name.includes('\0')) throw new PanguError('EINVAL', 'the name of an attribute holds NUL');
  if (/\p{Surrogate}/u.test(name)) throw new PanguError('EINVAL', 'the name of an attribute is not well-formed Unicode');
  if (encoder.encode(name).length > ATTRIBUTE_NAME_BYTES_MAX)
    throw new PanguError('ENAMETOOLONG', `the name of an attribute has more than ${ATTRIBUTE_NAME_BYTES_MAX} bytes`);
  if (value.length > ATTRIBUTE_BYTES_MAX) throw new PanguError('E2BIG', `attribute "${name}" has more than ${ATTRIBUTE_BYTES_MAX} bytes`);
}

/** `othersBytes`: of those that stay beside this one. */
export function checkAttributesTotal(othersBytes: number, name: string, value: Uint8Array, path: string): void {
  if (othersBytes + encoder.encode(name).length + value.length > ATTRIBUTES_BYTES_MAX)
    throw new PanguError('E2BIG', `all attributes of ${path} together would have more than ${ATTRIBUTES_BYTES_MAX} bytes`);
}
