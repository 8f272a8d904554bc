import { Packr } from 'msgpackr';

/**
 * Records and snapshots are plain MessagePack: no records, no extensions, `undefined` fields left out. Binaries are copied out
 * when decoded, or a small value would keep the whole file that it was read from in memory.
 */
const packr = new Packr({
  useRecords: false,
  copyBuffers: true,
  int64AsType: 'number',
  // biome-ignore lint/suspicious/noExplicitAny: the option is there, its type is not
  ...({ skipValues: [undefined] } as any),
});

export function encode(value: unknown): Buffer {
  return packr.pack(value);
}

export function decode(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}
