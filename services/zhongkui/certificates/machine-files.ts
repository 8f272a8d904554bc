import { createPrivateKey } from 'node:crypto';
import { mkdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ZhongkuiError } from '../contract.ts';
import { assertPrivate, createFile, replaceFile, syncDirectory, unlessGone } from './durable-file.ts';
import { newPrivateKeyPem, spkiOf } from './encodings.ts';
import { type MachineCertificate, readMachineCertificate } from './machine-certificate.ts';

/**
 * A machine's certificate and key in two files that change as one.
 *
 * The certificate's file holds the certificate and, after it, the roots to be trusted: what is renewed together is replaced together. The key's file has a neighbour, `<keyFile>.next`,
 * with the key of the certificate that is asked for at the moment. A reader takes whichever of the two keys the certificate belongs to, so the one step that counts is the
 * replacement of the certificate's file:
 *
 *   1. `.next` is created, unless it is there     2. a certificate for it is asked for     3. the certificate's file is replaced     4. `.next` takes the key's place
 *
 * A crash after any step leaves a pair that fits, and a next key with which to go on. All processes of a machine share the files without a lock: those that
 * renew at the same moment find the same next key, and each of their certificates is as good as the other.
 */
export interface MachineFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Errors: KeyUnsafe, KeyMalformed, NoSuchKey (no certificate is there). */
export async function loadMachine(files: MachineFiles): Promise<MachineCertificate> {
  const { certificateFile, keyFile } = files;
  // Between the reading of the one and of the other a renewal may have come to its end: then all is read anew.
  for (let tries = 1; ; tries++) {
    const bundle = await textOf(certificateFile);
    if (bundle === undefined)
      throw new ZhongkuiError('NoSuchKey', `there is no certificate in ${certificateFile}: join with a token first`);
    const next = await keyIn(nextOf(files));
    const key = await keyIn(keyFile);
    try {
      return readMachineCertificate(
        bundle,
        [key, next].flatMap((pem) => pem ?? []),
      );
    } catch (error) {
      if (tries < 3) continue;
      const reason = error instanceof ZhongkuiError ? error.reason : String(error);
      throw new ZhongkuiError('KeyMalformed', `${certificateFile}: ${reason}`, { cause: error });
    }
  }
}

/** Where the key goes. @returns how to take back what was made for it, as far as nothing is in it */
export async function makePlace({ keyFile }: MachineFiles): Promise<() => Promise<void>> {
  const place = dirname(resolve(keyFile));
  const first = await mkdir(place, { recursive: true, mode: 0o700 });
  return async () => {
    if (first === undefined) return;
    for (let at = place; at.length >= first.length; at = dirname(at)) {
      // Not empty: somebody else uses it.
      if (
        !(await rmdir(at).then(
          () => true,
          () => false,
        ))
      )
        return;
    }
  };
}

/** The key of the certificate to be asked for next: made where there is none, the same for whoever asks. `current`: what `loadMachine` found. */
export async function nextKey(files: MachineFiles, current?: MachineCertificate): Promise<string> {
  await mkdir(dirname(files.keyFile), { recursive: true, mode: 0o700 });
  for (;;) {
    const pem = await keyIn(nextOf(files));
    if (pem === undefined) {
      await createFile(nextOf(files), newPrivateKeyPem());
      continue;
    }
    if (!isUsable(pem)) await rm(nextOf(files), { force: true });
    else if (current !== undefined && sameKey(pem, current.keyPem)) await settle(files);
    else return pem;
  }
}

/** Takes back a next key that was refused: nobody has it certified. One that somebody else made stays. */
export async function forgetNextKey(files: MachineFiles, pem: string): Promise<void> {
  if ((await textOf(nextOf(files))) === pem) await rm(nextOf(files), { force: true });
}

export async function hasNextKey(files: MachineFiles): Promise<boolean> {
  return (await textOf(nextOf(files))) !== undefined;
}

/** Makes a certificate and its key, which is the next one, the machine's. */
export async function install(
  files: MachineFiles,
  { certificate, roots, keyPem }: Pick<MachineCertificate, 'certificate' | 'roots' | 'keyPem'>,
): Promise<void> {
  await mkdir(dirname(files.certificateFile), { recursive: true });
  const next = await keyIn(nextOf(files));
  const key = await keyIn(files.keyFile);
  if (![key, next].some((pem) => pem !== undefined && sameKey(pem, keyPem)))
    throw new ZhongkuiError('KeyMalformed', `the key of the new certificate is gone from ${nextOf(files)}`);
  await replaceFile(files.certificateFile, certificate + roots.join(''));
  if (next !== undefined && sameKey(next, keyPem)) await settle(files);
}

/** The certificate's key takes its place. */
async function settle(files: MachineFiles): Promise<void> {
  try {
    await rename(nextOf(files), files.keyFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // somebody else was faster
  }
  await syncDirectory(dirname(files.keyFile));
}

const nextOf = ({ keyFile }: MachineFiles): string => `${keyFile}.next`;

const sameKey = (a: string, b: string): boolean => a === b || spkiOf(createPrivateKey(a)).equals(spkiOf(createPrivateKey(b)));

function isUsable(pem: string): boolean {
  try {
    createPrivateKey(pem);
    return true;
  } catch {
    return false;
  }
}

async function keyIn(path: string): Promise<string | undefined> {
  const pem = await textOf(path);
  if (pem !== undefined) await assertPrivate(path).catch(unlessGone);
  return pem;
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(unlessGone);
}
