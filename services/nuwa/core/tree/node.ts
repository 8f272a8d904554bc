import { type Acl, type NodeStat, OPEN_ACL } from '../../contract.ts';
import { type PackedValue, unpackBytes } from './bytes.ts';
import type { Directory } from './directory.ts';

/**
 * A node of the tree. There may be millions, so what few of them have stands apart: `directory` of those that had children, `rare` of
 * those that are not plain. A plain leaf takes about 200 bytes beside its value: its fields, two times, its name, and its place in the parent.
 */
export class TreeNode {
  packed: PackedValue;
  version = 0;
  createRevision: number;
  modifyRevision: number;
  createdAtMs: number;
  modifiedAtMs: number;
  creator: string;
  directory: Directory | undefined = undefined;
  rare: Rare | undefined;

  constructor(from: { packed: PackedValue; revision: number; nowMs: number; creator: string; rare?: Rare | undefined }) {
    this.packed = from.packed;
    this.createRevision = from.revision;
    this.modifyRevision = from.revision;
    this.createdAtMs = from.nowMs;
    this.modifiedAtMs = from.nowMs;
    this.creator = from.creator;
    this.rare = from.rare;
  }

  /** Unpacked anew at each call: ask once. */
  get value(): Uint8Array {
    return unpackBytes(this.packed);
  }

  get valueBytes(): number {
    return this.packed?.length ?? 0;
  }

  get hasValue(): boolean {
    return this.packed !== null;
  }

  /** Its children, if it has any. */
  get children(): Directory | undefined {
    return this.directory?.size ? this.directory : undefined;
  }

  get childCount(): number {
    return this.directory?.size ?? 0;
  }

  get nextSequence(): number {
    return this.directory?.nextSequence ?? 0;
  }

  get childVersion(): number {
    return this.directory?.childVersion ?? 0;
  }

  get childRevision(): number {
    return this.directory?.childRevision ?? this.createRevision;
  }

  get ephemeralOwner(): string | undefined {
    return this.rare?.ephemeralOwner;
  }

  get container(): boolean {
    return this.rare?.container ?? false;
  }

  get ttlMs(): number | undefined {
    return this.rare?.ttlMs;
  }

  get acl(): Acl {
    return this.rare?.acl ?? OPEN_ACL;
  }

  get aclVersion(): number {
    return this.rare?.aclVersion ?? 0;
  }
}

/** Never changed, only replaced. */
export interface Rare {
  readonly ephemeralOwner: string | undefined;
  readonly container: boolean;
  readonly ttlMs: number | undefined;
  /** Absent: open to everybody. */
  readonly acl: Acl | undefined;
  readonly aclVersion: number;
}

/** Undefined for what is plain. */
export function rareOf(from: Partial<Rare>): Rare | undefined {
  const { ephemeralOwner, container = false, ttlMs, acl, aclVersion = 0 } = from;
  const plain = ephemeralOwner === undefined && !container && ttlMs === undefined && acl === undefined && aclVersion === 0;
  return plain ? undefined : { ephemeralOwner, container, ttlMs, acl, aclVersion };
}

export function statOf(node: TreeNode): NodeStat {
  return {
    createRevision: node.createRevision,
    modifyRevision: node.modifyRevision,
    createdAtMs: node.createdAtMs,
    modifiedAtMs: node.modifiedAtMs,
    version: node.version,
    childVersion: node.childVersion,
    childRevision: node.childRevision,
    aclVersion: node.aclVersion,
    ephemeralOwner: node.ephemeralOwner,
    valueBytes: node.valueBytes,
    childCount: node.childCount,
  };
}
