import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { attachCluster } from '../../infra/cluster/launch.ts';
import { connectClient } from '../../infra/temporal/connect.ts';

/**
 * Stores the history of one workflow run for test/workflows/replay.test.ts:
 *   npx tsx test/histories/record.ts --dir .feitian --id wordcount-1 --as fuxiJob-wordcount
 */
const { values } = parseArgs({ options: { dir: { type: 'string', default: '.feitian' }, id: { type: 'string' }, as: { type: 'string' } } });
if (!values.id || !values.as) {
  console.error('usage: npx tsx test/histories/record.ts --dir DIR --id WORKFLOW_ID --as <workflow type>-<what happened>');
  process.exit(2);
}
const cluster = await attachCluster(values.dir);
const client = await connectClient(cluster.info.temporal);
const history = await client.workflow.getHandle(values.id).fetchHistory();
const path = new URL(`${values.as}.json`, import.meta.url);
await writeFile(path, `${JSON.stringify(historyToJSON(history), null, 1)}\n`);
console.log(`${history.events?.length} events in ${path.pathname}`);
await client.connection.close();
