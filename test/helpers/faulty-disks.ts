import { type DiskCalls, diskError, nodeDisk } from '../../services/pangu/chunk/disk.ts';

type Call = 'openFile' | 'createFile' | 'pread' | 'pwrite' | 'fdatasync' | 'fsync' | 'ftruncate';

/** What the kernel calls each of them, in the errors that it returns. */
const SYSCALL: Record<Call, string> = {
  openFile: 'open',
  createFile: 'open',
  pread: 'read',
  pwrite: 'write',
  fdatasync: 'fdatasync',
  fsync: 'fsync',
  ftruncate: 'ftruncate',
};

/** Real disks, of which some calls return errors when told to. */
export class FaultyDisks implements DiskCalls {
  readonly #paths = new Map<number, string>();
  #hung: string | undefined;
  #faults: { below: string; call: Call; code: string }[] = [];
  /** Told of each call before it is made. */
  onCall: ((call: Call, path: string) => void) | undefined;

  /** From now on `call` fails on all files below a directory. */
  fail(below: string, call: Call, code = 'EIO'): void {
    this.#faults.push({ below, call, code });
  }

  /** From now on nothing below a directory is answered. */
  hang(below: string): void {
    this.#hung = below;
  }

  heal(): void {
    this.#faults = [];
  }

  async openFile(path: string, flags: number): Promise<number> {
    this.#check('openFile', path);
    if (this.#hung !== undefined && path.startsWith(this.#hung)) await new Promise(() => {});
    const fd = await nodeDisk.openFile(path, flags);
    this.#paths.set(fd, path);
    return fd;
  }

  async createFile(path: string): Promise<number | undefined> {
    this.#check('createFile', path);
    const fd = await nodeDisk.createFile(path);
    if (fd !== undefined) this.#paths.set(fd, path);
    return fd;
  }

  async pread(fd: number, into: Uint8Array, position: number): Promise<number> {
    this.#check('pread', this.#paths.get(fd)!);
    return nodeDisk.pread(fd, into, position);
  }

  async pwrite(fd: number, pieces: readonly Uint8Array[], position: number): Promise<void> {
    this.#check('pwrite', this.#paths.get(fd)!);
    return nodeDisk.pwrite(fd, pieces, position);
  }

  async fdatasync(fd: number): Promise<void> {
    this.#check('fdatasync', this.#paths.get(fd)!);
    return nodeDisk.fdatasync(fd);
  }

  async fsync(fd: number): Promise<void> {
    this.#check('fsync', this.#paths.get(fd)!);
    return nodeDisk.fsync(fd);
  }

  async ftruncate(fd: number, length: number): Promise<void> {
    this.#check('ftruncate', this.#paths.get(fd)!);
    return nodeDisk.ftruncate(fd, length);
  }

  fileBytes = (fd: number): Promise<number> => nodeDisk.fileBytes(fd);

  closeFile = (fd: number): void => nodeDisk.closeFile(fd);

  #check(call: Call, path: string): void {
    this.onCall?.(call, path);
    const fault = this.#faults.find((each) => each.call === call && path.startsWith(each.below));
    if (fault) throw diskError(Object.assign(new Error(`${fault.code}: injected`), { code: fault.code, syscall: SYSCALL[call] }), call);
  }
}
