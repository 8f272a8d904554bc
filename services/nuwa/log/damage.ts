/**
 * What to do where a server's files are damaged or gone. Not under the same name, whether empty or from a copy: it would have forgotten what it acknowledged.
 */
export const INSTEAD =
  'Of a group: do not start this server from an empty directory or a copy, it would have forgotten what it acknowledged; ' +
  '"feitian nuwa members remove" it, "members add" one of a new name, and start that one in an empty directory without --nuwa-members. ' +
  'Where most servers of the group are like this, or it is the only one: restore a snapshot into a new group, "feitian nuwa restore".';

/** The log cannot be what was written: starting from it could serve a tree that never was. A person must decide. */
export class LogDamage extends Error {
  override readonly name = 'LogDamage';

  /** What is wrong with it, without what to do. */
  readonly what: string;

  constructor(file: string, what: string) {
    super(`${file}: ${what}; refusing to start. ${INSTEAD}`);
    this.what = what;
  }
}
