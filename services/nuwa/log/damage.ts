/** The log cannot be what was written: starting from it could serve a tree that never was. A person must decide. */
export class LogDamage extends Error {
  override readonly name = 'LogDamage';

  /** What is wrong with it, without what to do. */
  readonly what: string;

  constructor(file: string, what: string) {
    super(`${file}: ${what}; refusing to start. Restore the directory from a copy, or move it away to begin empty.`);
    this.what = what;
  }
}
