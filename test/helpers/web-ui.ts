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
/** A page that has not shown it by then is opened anew: it follows a workflow that runs, but not every one that has just ended. */
const RELOAD_MS = 5_000;

export type Tab = 'Timeline' | 'Event History' | 'Relationships' | 'User Metadata' | 'Search Attributes';

/** Temporal's Web UI as a person sees it. */
export class WebUi {
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #address: string;
  #opened: string | undefined;

  private constructor(browser: Browser, page: Page, address: string) {
    this.#browser = browser;
    this.#page = page;
    this.#address = address;
  }

  static async open(address: string): Promise<WebUi> {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
    return new WebUi(browser, await browser.newPage({ viewport: { width: 1600, height: 1400 }, reducedMotion: 'reduce' }), address);
  }

  /** Opens a workflow's page on one of its tabs, and waits until all of these are to be read there; Markdown is drawn in a frame of its own. */
  async shows(workflowId: string, tab: Tab, ...wanted: (string | RegExp)[]): Promise<void> {
    if (this.#opened !== workflowId) await this.#goto(workflowId);
    await this.#choose(tab);
    const startMs = performance.now();
    for (let opened = 1; ; ) {
      const text = await this.#text();
      const missing = wanted.filter((each) => (typeof each === 'string' ? !text.includes(each) : !each.test(text)));
      if (missing.length === 0) return;
      const waitedMs = performance.now() - startMs;
      if (waitedMs > LOOK_MS_MAX) throw new Error(`the tab "${tab}" of ${workflowId} does not show ${missing.join(', ')}, but:\n${text}`);
      if (waitedMs > opened * RELOAD_MS) {
        opened += 1;
        await this.#goto(workflowId);
        await this.#choose(tab);
      }
      await this.#page.waitForTimeout(200);
    }
  }

  async #goto(workflowId: string): Promise<void> {
    await this.#page.goto(`${this.#address}/namespaces/default/workflows/${encodeURIComponent(workflowId)}`);
    this.#opened = workflowId;
  }

  async #choose(tab: Tab): Promise<void> {
    await this.#page
      .getByRole('link', { name: new RegExp(`^${tab}`) })
      .or(this.#page.getByRole('tab', { name: new RegExp(`^${tab}`) }))
      .first()
      .click();
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
