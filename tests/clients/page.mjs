// Leads the server's own page step by step: each step is {do, with}, each answer {done} or {failed}.
import { readFile } from 'node:fs/promises'

import { withBrowser } from './browser.mjs'
import { steps, tell } from './job.mjs'

const PATIENCE = 15_000

await withBrowser(async (browser) => {
  let context
  let page
  let requests
  let failures

  function watch(opened) {
    page = opened
    page.setDefaultTimeout(PATIENCE)
    page.on('dialog', (dialog) => dialog.accept())
    page.on('pageerror', (error) => failures.push(String(error)))
    page.on('console', (message) => message.type() === 'error' && failures.push(message.text()))
    page.on('request', (request) => {
      const offset = request.headers()['upload-offset']
      requests.push({ request, method: request.method(), url: request.url(), offset })
    })
    page.on('response', (response) => {
      const known = requests.find(({ request }) => request === response.request())
      if (known) known.status = response.status()
    })
  }

  const find = ({ css, role, name }) => (css ? page.locator(css) : page.getByRole(role, { name, exact: true })).first()

  const acts = {
    /** A page with a memory of its own. `missing` names a path that answers 404. */
    async open({ url, width = 1280, height = 860, scheme = 'light', touch = false, sharp = touch, missing }) {
      await context?.close()
      context = await browser.newContext({
        viewport: { width, height },
        colorScheme: scheme,
        hasTouch: touch,
        isMobile: touch,
        deviceScaleFactor: sharp ? 2 : 1,
      })
      if (missing) await context.route(`**${missing}`, (route) => route.fulfill({ status: 404, body: '' }))
      requests = []
      failures = []
      watch(await context.newPage())
      await page.goto(url)
    },
    async tab(url) {
      watch(await context.newPage())
      await page.goto(url)
    },
    /** Go on in one of the tabs, by its number. */
    async switch(number) {
      page = context.pages()[number]
    },
    answer: ({ path, status, problem }) =>
      context.route(`**${path}*`, (route) =>
        route.fulfill({ status, contentType: 'application/problem+json', body: JSON.stringify(problem) }),
      ),
    add: (paths) => page.locator('.uppy-Dashboard-input:not([webkitdirectory])').first().setInputFiles(paths),
    addFolder: (path) => page.locator('.uppy-Dashboard-input[webkitdirectory]').first().setInputFiles(path),
    /** Let files and folders fall on the page, as from a file manager. */
    async drop(paths) {
      const box = await page.locator('#drop').boundingBox()
      const session = await context.newCDPSession(page)
      const point = { x: box.x + box.width / 2, y: box.y + box.height / 2 }
      const data = { items: [], files: paths, dragOperationsMask: 1 }
      for (const type of ['dragEnter', 'dragOver', 'drop']) {
        await session.send('Input.dispatchDragEvent', { type, ...point, data })
      }
    },
    /** Lose what Golden Retriever kept of a file, as it does with files too large for it. */
    loseFile: (name) =>
      page.evaluate(async (name) => {
        const database = await new Promise((resolve, reject) => {
          const opening = indexedDB.open('uppy-blobs')
          opening.onsuccess = () => resolve(opening.result)
          opening.onerror = () => reject(opening.error)
        })
        const writing = database.transaction('files', 'readwrite')
        const store = writing.objectStore('files')
        const reading = store.getAll()
        reading.onsuccess = () => {
          for (const { id, data } of reading.result) if (data.name === name) store.delete(id)
        }
        await new Promise((resolve) => (writing.oncomplete = resolve))
        database.close()
      }, name),
    click: ({ modifiers, ...what }) => find(what).click({ modifiers }),
    fill: ({ value, ...what }) => find(what).fill(value),
    select: ({ value, ...what }) => find(what).selectOption(value),
    press: (key) => page.keyboard.press(key),
    focus: (what) => find(what).focus(),
    focused: () =>
      page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent),
    wait: ({ state = 'visible', ...what }) => find(what).waitFor({ state }),
    text: (what) => find(what).innerText(),
    attribute: ({ css, name }) =>
      page
        .locator(css)
        .first()
        .evaluate((node, name) => node[name]?.toString() && (name === 'style' ? node.style.cssText : node[name]), name),
    rows: () =>
      page.locator('#rows > .row').evaluateAll((rows) =>
        rows.map((row) => ({
          name: row.querySelector('.name').textContent,
          url: row.querySelector('.name').href,
          status: row.dataset.status,
          state: row.querySelector('.state').textContent,
          facts: row.querySelector('.facts').textContent,
        })),
      ),
    tiles: () =>
      page.locator('#tiles > .tile').evaluateAll((tiles) =>
        tiles.map((tile) => ({
          name: tile.querySelector('.tile-name').textContent,
          state: tile.dataset.state,
          isChosen: tile.querySelector('.pick input').checked,
        })),
      ),
    /** The images that a selector finds: how many pixels of each were decoded, from where, and in which place. */
    images: (css) =>
      page.locator(css).evaluateAll((images) =>
        images.map((image) => ({
          width: image.naturalWidth,
          height: image.naturalHeight,
          url: image.currentSrc,
          alt: image.alt,
          place: image.getBoundingClientRect().toJSON(),
        })),
      ),
    clipboard: async () => {
      await context.grantPermissions(['clipboard-read'])
      return page.evaluate(() => navigator.clipboard.readText())
    },
    reload: () => page.reload(),
    offline: (is) => context.setOffline(is),
    requests: () => requests.map(({ request, ...facts }) => facts),
    failures: () => failures,
    stored: () => page.evaluate(() => ({ local: { ...localStorage }, session: { ...sessionStorage } })),
    /** Click on what downloads a file; gives its bytes in base64. */
    async download(what) {
      const [download] = await Promise.all([page.waitForEvent('download'), find(what).click()])
      return (await readFile(await download.path())).toString('base64')
    },
    /** How much the page has moved under the reader (cumulative layout shift), and by how much it is too wide. */
    layout: () =>
      page.evaluate(
        () =>
          new Promise((resolve) => {
            let shift = 0
            new PerformanceObserver((list) => {
              for (const entry of list.getEntries()) if (!entry.hadRecentInput) shift += entry.value
            }).observe({ type: 'layout-shift', buffered: true })
            const overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth
            setTimeout(() => resolve({ shift, overflow }), 200)
          }),
      ),
    screenshot: (path) => page.screenshot({ path, fullPage: true }),
  }

  for await (const step of steps()) {
    try {
      tell({ done: (await acts[step.do](step.with)) ?? null })
    } catch (error) {
      tell({ failed: `${step.do}: ${error.message}` })
    }
  }
  await context?.close()
})
