import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SETTINGS } from './board.ts';
import { DASHBOARDS } from './index.ts';
import { pushDashboards } from './push.ts';
import { writeDashboards } from './write.ts';

const USAGE = `npm run dashboards -- [options]

Writes the dashboards as JSON, the provisioning that makes Grafana load them, and the alert rules for Prometheus; or, with --push, puts
folder, data source and dashboards into a running Grafana.

  --out DIR            where to write (default dashboards/generated)
  --prometheus URL     where Grafana reaches Prometheus (default http://127.0.0.1:9090)
  --temporal-ui URL    Temporal's Web UI, for links (default ${SETTINGS.temporalUi})
  --namespace NAME     Temporal's namespace, for links (default ${SETTINGS.temporalNamespace})
  --runbooks URL       where people find the pages of dashboards/runbooks (default: the files of this checkout)
  --mounted-at DIR     where Grafana finds the dashboards, if elsewhere than written
  --push URL           the Grafana to put them into
  --token TOKEN        of a service account with the role Admin (or GRAFANA_TOKEN in the environment)
  --user NAME:PASSWORD instead of a token`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'dashboards/generated' },
      prometheus: { type: 'string', default: 'http://127.0.0.1:9090' },
      'temporal-ui': { type: 'string', default: SETTINGS.temporalUi },
      namespace: { type: 'string', default: SETTINGS.temporalNamespace },
      runbooks: { type: 'string' },
      'mounted-at': { type: 'string' },
      push: { type: 'string' },
      token: { type: 'string' },
      user: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const settings = { temporalUi: values['temporal-ui'], temporalNamespace: values.namespace };
  if (values.push === undefined) {
    const { runbooks, 'mounted-at': mountedAt } = values;
    const options = {
      ...settings,
      prometheusUrl: values.prometheus,
      ...(runbooks ? { runbooks } : {}),
      ...(mountedAt ? { mountedAt } : {}),
    };
    for (const path of await writeDashboards(resolve(values.out), options)) console.log(path);
    return;
  }
  const token = values.token ?? process.env.GRAFANA_TOKEN;
  const grafana = { url: values.push, ...(token ? { token } : {}), ...(values.user ? { user: values.user } : {}) };
  const built = DASHBOARDS.map((build) => build(settings));
  for (const address of await pushDashboards(grafana, built, values.prometheus)) console.log(address);
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
}
