/** Loads a program written against the SDK, once per runner: module state lives as long as the container works for one task. */
import { pathToFileURL } from 'node:url';
import { messageOf } from '../../base/errors.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import { FuxiError, type TaskInput } from '../contract.ts';
import type { MapProgram, ModuleProgram, ReduceProgram, SourceProgram } from '../sdk.ts';
import { findModule, type ProgramPlaces } from './program-files.ts';

/** What a program must have for each kind of input. */
const WANTED = { files: 'map', shuffle: 'reduce', none: 'run' } as const satisfies Record<TaskInput['kind'], string>;

/** `module`: `<file>#<export>`. */
export async function loadModule(
  module: string,
  input: TaskInput['kind'],
  places: ProgramPlaces,
  pangu: () => Promise<PanguClient>,
): Promise<Partial<MapProgram & ReduceProgram & SourceProgram>> {
  const hash = module.lastIndexOf('#');
  if (hash <= 0) throw new FuxiError('ProgramNotFound', `${module} does not say which export is meant, as in wordcount.ts#map`);
  const name = module.slice(hash + 1);
  const file = await findModule(module.slice(0, hash), places, pangu);
  let exports: Record<string, unknown>;
  try {
    if (/\.[mc]?tsx?$/.test(file)) await readTypeScript();
    exports = await import(pathToFileURL(file).href);
  } catch (error) {
    throw new FuxiError('ProgramFailed', `${module} could not be loaded: ${messageOf(error)}`, { cause: error });
  }
  const program = exports[name];
  if (typeof program !== 'object' || program === null)
    throw new FuxiError(
      'ProgramNotFound',
      `${file} exports no program "${name}"; it exports ${Object.keys(exports).join(', ') || 'nothing'}`,
    );
  const wanted = WANTED[input];
  if (typeof (program as Record<string, unknown>)[wanted] !== 'function')
    throw new FuxiError('ProgramNotFound', `${module} has no function "${wanted}", which a task with ${INPUTS[input]} needs`);
  return program as Partial<ModuleProgram>;
}

let reading: Promise<unknown> | undefined;

/** A runner that was compiled beforehand reads no TypeScript by itself; commands and modules in JavaScript need not wait for what does. */
function readTypeScript(): Promise<unknown> | undefined {
  if (process.execArgv.includes('--import')) return undefined;
  return (reading ??= import('tsx/esm/api').then(({ register }) => register()));
}

const INPUTS = { files: 'files to read', shuffle: 'a shuffle to read', none: 'no input' };
