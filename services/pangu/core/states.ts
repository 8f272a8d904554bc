/** The closed lists that tables, contracts and code share. */
export const INODE_TYPES = ['file', 'directory'] as const;
export type InodeType = (typeof INODE_TYPES)[number];

/** A file is `open` until its writer closes it, then `closed` until it is opened to be written again. Directories are `closed`. */
export const FILE_STATES = ['open', 'closed'] as const;
export type FileState = (typeof FILE_STATES)[number];

/** How a file is written (contract.ts says more). Directories are `append`. */
export const FILE_KINDS = ['append', 'log', 'random'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

/** A chunk grows while `open`; `sealed` it never changes again. */
export const CHUNK_STATES = ['open', 'sealed'] as const;
export type ChunkState = (typeof CHUNK_STATES)[number];

export const ROOT_ID = 'root';
