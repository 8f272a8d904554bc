/** The compiled `infra/cli/main.ts`, made now when it isn't there yet; the runner lies beside it. */
export function compiledMain(): Promise<string>;
