/** One answer to an instant query: labels and value. */
export interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

/** Asks a real Prometheus by its HTTP API. Errors: what Prometheus says is wrong with the query. */
export async function ask(prometheus: string, expression: string): Promise<Sample[]> {
  const response = await fetch(`${prometheus}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query: expression }) });
  const { status, error, data } = (await response.json()) as { status: string; error?: string; data?: { result: Sample[] } };
  if (status !== 'success') throw new Error(`${error}: ${expression}`);
  return data!.result;
}

/** What Grafana puts in place of variables when everything is chosen. */
export function substituted(expression: string): string {
  const whole = expression.replaceAll('$__rate_interval', '1m').replaceAll(/\$(node|role|application)\b/g, '.*');
  if (whole.includes('$')) throw new Error(`a variable is left: ${whole}`);
  return whole;
}

export interface RuleState {
  name: string;
  health: string;
  lastError?: string;
  state: string;
}

/** How the rules go, as Prometheus evaluates them by itself. */
export async function rulesOf(prometheus: string): Promise<RuleState[]> {
  const response = await fetch(`${prometheus}/api/v1/rules`);
  const { data } = (await response.json()) as { data: { groups: { rules: RuleState[] }[] } };
  return data.groups.flatMap(({ rules }) => rules);
}
