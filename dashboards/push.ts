import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { DATASOURCE } from './panels.ts';
import { dataSource, FOLDER } from './write.ts';

/** A running Grafana and what it lets us in by: a service account's token, or a name and a password. */
export interface GrafanaPlace {
  url: string;
  token?: string;
  /** `name:password` */
  user?: string;
}

/**
 * Puts the folder, the data source and every dashboard into a running Grafana. Done again it changes what is there to what should be: edits made
 * by hand in these dashboards are lost, others are not touched.
 *
 * @returns the addresses of the dashboards. Errors: one sentence that says what Grafana refused and what to do about it.
 */
export async function pushDashboards(grafana: GrafanaPlace, dashboards: readonly Dashboard[], prometheusUrl: string): Promise<string[]> {
  const ask = (method: string, path: string, body?: object) => askGrafana(grafana, method, path, body);
  const isThere = async (path: string): Promise<boolean> => (await ask('GET', path)) !== undefined;

  if (!(await isThere(`/api/folders/${FOLDER.uid}`))) await ask('POST', '/api/folders', FOLDER);
  const source = `/api/datasources/uid/${DATASOURCE.uid}`;
  await ((await isThere(source))
    ? ask('PUT', source, dataSource(prometheusUrl))
    : ask('POST', '/api/datasources', dataSource(prometheusUrl)));
  const addresses: string[] = [];
  for (const dashboard of dashboards) {
    const body = { dashboard: { ...dashboard, id: null }, folderUid: FOLDER.uid, overwrite: true, message: 'npm run dashboards -- --push' };
    const { url = '' } = (await ask('POST', '/api/dashboards/db', body)) as { url?: string };
    addresses.push(new URL(url, grafana.url).href);
  }
  return addresses;
}

/** Grafana answers at once or not at all. */
const ANSWER_MS_MAX = 15_000;

/** @returns the body of the answer; undefined when a GET finds nothing. */
async function askGrafana({ url, token, user }: GrafanaPlace, method: string, path: string, body?: object): Promise<object | undefined> {
  const what = `${method} ${path}`;
  const authorization = token ? `Bearer ${token}` : user ? `Basic ${Buffer.from(user).toString('base64')}` : undefined;
  const response = await fetch(`${url.replace(/\/+$/, '')}${path}`, {
    method,
    headers: {
      accept: 'application/json',
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(authorization ? { authorization } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  }).catch((error: Error) => {
    const { cause } = error as { cause?: { code?: string; message?: string } };
    throw new Error(`no Grafana answers at ${url}: ${cause?.code ?? cause?.message ?? error.message}`, { cause: error });
  });
  const text = await response.text();
  if (!response.headers.get('content-type')?.includes('json'))
    throw new Error(`what answers at ${url} is not Grafana's HTTP API: ${what} gave ${response.status} ${response.statusText}`);
  if (method === 'GET' && response.status === 404) return undefined;
  if (!response.ok) throw new Error(`${refusal(response.status)} (${what}: ${response.status} ${messageIn(text)})`);
  return JSON.parse(text) as object;
}

function refusal(status: number): string {
  switch (status) {
    case 401:
      return 'Grafana does not know who asks: give --token of a service account, or --user name:password';
    case 403:
      return 'Grafana does not allow it: data sources and folders need the role Admin';
    case 412:
      return 'Grafana has another dashboard there that may not be replaced, one of a plugin or of the same title: rename or remove it';
    default:
      return status >= 500 ? 'Grafana failed' : 'Grafana refused it';
  }
}

function messageIn(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: string }).message ?? text);
  } catch {
    return text.slice(0, 200);
  }
}
