/** One line of what a process tells. */
export interface Series {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Prometheus text, read line by line; what is no line of it is an error. */
export function parseMetrics(text: string): Series[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, labels = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (!name || value === undefined) throw new Error(`not a line of metrics: ${line}`);
      const pairs = [...labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key!, text!]);
      return { name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value.replace('Inf', 'Infinity')) };
    });
}

export async function scrape(address: string, token?: string): Promise<Series[]> {
  return parseMetrics(await scrapeText(address, token));
}

/** What whoever asks by HTTP shows. */
export const bearer = (token: string | undefined): { headers?: Record<string, string> } =>
  token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };

export async function scrapeText(address: string, token?: string): Promise<string> {
  const answer = await fetch(`http://${address}/metrics`, bearer(token));
  if (!answer.ok) throw new Error(`${address} answers ${answer.status}: ${await answer.text()}`);
  return await answer.text();
}

/** The sum over all series of that name with these labels, and undefined where there is none. */
export function readingOf(series: readonly Series[], name: string, labels: Record<string, string> = {}): number | undefined {
  const found = series.filter((each) => each.name === name && Object.entries(labels).every(([key, value]) => each.labels[key] === value));
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/** One entry of what Shennong tells Prometheus. */
export interface Target {
  targets: [string];
  labels: { role: string; node?: string; rack?: string; instance: string };
}

export async function targetsOf(http: string, token?: string): Promise<Target[]> {
  return (await (await fetch(`http://${http}/sd`, bearer(token))).json()) as Target[];
}
