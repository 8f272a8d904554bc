/** What other rooms and the command call: making packages and putting them into Pangu. */
export { type Packed, packDirectory } from './package/pack.ts';
export { uploadPackage } from './package/upload.ts';
