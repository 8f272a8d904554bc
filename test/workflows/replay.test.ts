import { readdir, readFile } from 'node:fs/promises';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { workflowBundle } from '../../infra/workflow-bundle.ts';
import { silentLogger } from '../../services/base/log.ts';

/**
 * Jobs live longer than one version of the code: a workflow that began under an older version must replay under this one. Histories of every
 * workflow type lie in test/histories, written by `npx tsx test/histories/record.ts`; a change that breaks one needs `patched`.
 */
const HISTORIES = new URL('../histories/', import.meta.url);
const names = (await readdir(HISTORIES)).filter((name) => name.endsWith('.json')).sort();

describe('stored histories', () => {
  let bundle: Awaited<ReturnType<typeof workflowBundle>>;
  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    bundle = await workflowBundle(silentLogger);
  });

  it('hold every workflow type', async () => {
    const types = Object.keys(await import('../../workflows/index.ts'));
    expect(types.length).toBeGreaterThan(0);
    for (const type of types)
      expect(
        names.some((name) => name.startsWith(`${kebab(type)}-`)),
        `no history of ${type}`,
      ).toBe(true);
  });

  it.each(names)('%s replays', async (name) => {
    const history = historyFromJSON(JSON.parse(await readFile(new URL(name, HISTORIES), 'utf8')));
    // Children are named after their parent, so it must replay under the id that it had.
    const workflowId = history.events?.[0]?.workflowExecutionStartedEventAttributes?.workflowId;
    await Worker.runReplayHistory({ workflowBundle: bundle }, history, workflowId ?? undefined);
  });
});

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
