import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { parseArgs, promisify } from 'node:util';
import { attachCluster } from '../../infra/cluster/launch.ts';
import { ensureTemporalCli } from '../../infra/setup/temporal.ts';

/**
 * Stores the history of one workflow run for test/workflows/replay.test.ts, in the form that the Temporal CLI and the Web UI give:
 *   npx tsx test/histories/record.ts --dir .feitian --id wordcount-1 --as fuxi-job-wordcount
 */
const { values } = parseArgs({ options: { dir: { type: 'string', default: '.feitian' }, id: { type: 'string' }, as: { type: 'string' } } });
if (!values.id || !values.as) {
  console.error('usage: npx tsx test/histories/record.ts --dir DIR --id WORKFLOW_ID --as <workflow type>-<what happened>');
  process.exit(2);
}
const { info } = await attachCluster(values.dir);
const { path: temporal } = await ensureTemporalCli();
const where = ['--address', info.temporal.address, '--namespace', info.temporal.namespace];
const shown = await promisify(execFile)(temporal, ['workflow', 'show', '--workflow-id', values.id, '--output', 'json', ...where], { maxBuffer: 1 << 28 });
const { events } = JSON.parse(shown.stdout);
const file = new URL(`${values.as}.json`, import.meta.url);
await writeFile(file, `${JSON.stringify({ events })}\n`);
console.log(`${events.length} events in ${file.pathname}`);
