/* Debian's Chromium and Firefox with an empty profile, and words for what a test waits for. */
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';

const PLACES = {
  chromium: [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  firefox: [process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'],
};
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const SHOTS = fileURLToPath(new URL('../shots/', import.meta.url));
export const PATIENCE_MS = 20000;

/** `name` is chromium or firefox; Firefox is driven by WebDriver BiDi. `more` goes to puppeteer. */
export async function launch(name = 'chromium', more = {}) {
  const executablePath = PLACES[name].find((path) => path && existsSync(path));
  if (!executablePath) throw new Error(`no ${name} found: install it or set ${name.toUpperCase()}`);
  const userDataDir = mkdtempSync(join(tmpdir(), `joblight-${name}-`));
  const kind = name === 'firefox' ? { browser: 'firefox' } : { args: FLAGS };
  const browser = await puppeteer.launch({ executablePath, userDataDir, headless: true, ...kind, ...more });
  return {
    browser,
    async close() {
      await browser.close();
      await rm(userDataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }); // it writes while it goes
    },
  };
}

/** A page that remembers what must never happen: script errors and blocked resources. */
export async function openPage(browser, url, { width = 1280, height = 900, dark = false, first } = {}) {
  const page = await browser.newPage();
  if (first) await page.evaluateOnNewDocument(first);
  const faults = page.faults = [];
  page.on('pageerror', (err) => faults.push(String(err)));
  page.on('console', (message) => {
    const text = message.text();
    if (/Content Security Policy|TypeError|ReferenceError/.test(text)) faults.push(text);
  });
  await page.setViewport({ width, height, deviceScaleFactor: 1 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  return page;
}

export const until = (page, check, ...args) =>
  page.waitForFunction(check, { timeout: PATIENCE_MS, polling: 50 }, ...args);

export const textOf = (page, selector) => page.$eval(selector, (node) => node.textContent);

export const isLive = (page) => until(page, () => document.querySelector('task-event-stream').state === 'live');

/** Waits for the text of an element, and tells both texts when it never comes. */
export async function seesText(page, selector, text) {
  try {
    await until(page, (s, t) => document.querySelector(s)?.textContent.includes(t), selector, text);
  } catch {
    const found = await textOf(page, selector).catch(() => 'nothing');
    throw new Error(`expected "${text}" in ${selector}, found "${found}"`);
  }
}

/** A picture for people, taken when what moved has come to rest. */
export async function shoot(page, name, options = {}) {
  mkdirSync(SHOTS, { recursive: true });
  await page.evaluate(() => Promise.allSettled(document.getAnimations({ subtree: true })
    .filter((motion) => motion.effect.getComputedTiming().endTime < Infinity)
    .map(({ finished }) => finished)));
  return page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true, ...options });
}
