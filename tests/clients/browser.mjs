// Debian's Chromium, without a window, that asks nothing of the network by itself.
import { chromium } from 'playwright-core'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Run `act(browser)` in a browser with a fresh profile, and close it whatever happens; gives what `act` gives. */
export async function withBrowser(act) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
  })
  try {
    return await act(browser)
  } finally {
    await browser.close()
  }
}
