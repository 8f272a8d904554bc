import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Debian's; `CHROMIUM` names another. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Why screens can't be looked at here, if they can't. */
export const noBrowser: string | undefined = existsSync(CHROMIUM)
  ? undefined
  : `${CHROMIUM} is not there (Debian: apt install chromium; elsewhere set CHROMIUM to a Chromium or Chrome)`;

/** A browser that asks nothing of the internet. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const LOOK_MS_MAX = 20_000;

export type Tab = 'Timeline' | 'Event History' | 'Relationships' | 'User Metadata' | 'Search Attributes';

/** Temporal's Web UI as a person sees it. */
export class WebUi {
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #address: string;

  private constructor(browser: Browser, page: Page, address: string) {
    this.#browser = browser;
    this.#page = page;
    this.#address = address;
  }

  static async open(address: string): Promise<WebUi> {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
    return new WebUi(browser, await browser.newPage({ viewport: { width: 1600, height: 1400 } }), address);
  }

  /** Opens a workflow's page on one of its tabs, and waits until all of these are to be read there; Markdown is drawn in a frame of its own. */
  async shows(workflowId: string, tab: Tab, ...wanted: (string | RegExp)[]): Promise<void> {
    await this.#page.goto(`${this.#address}/namespaces/default/workflows/${encodeURIComponent(workflowId)}`);
    await this.#page
      .getByRole('link', { name: new RegExp(`^${tab}`) })
      .or(this.#page.getByRole('tab', { name: new RegExp(`^${tab}`) }))
      .first()
      .click();
    const untilMs = performance.now() + LOOK_MS_MAX;
    for (;;) {
      const text = await this.#text();
      const missing = wanted.filter((each) => (typeof each === 'string' ? !text.includes(each) : !each.test(text)));
      if (missing.length === 0) return;
      if (performance.now() > untilMs)
        throw new Error(`the tab "${tab}" of ${workflowId} does not show ${missing.join(', ')}, but:\n${text}`);
      await this.#page.waitForTimeout(100);
    }
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  async #text(): Promise<string> {
    const frames = this.#page.frames().map((frame) => frame.innerText('body').catch(() => '')); // a frame that is just being replaced
    const text = (await Promise.all(frames)).join('\n');
    // Long lines are broken: what is looked for may go on in the next one.
    return `${text}\n${text.replaceAll(/\s+/g, ' ')}`;
  }
}
