// Leads a page of Uppy step by step: each step is {do, with}, each answer {done} or {failed}.
import { withBrowser } from './browser.mjs'
import { steps, tell } from './job.mjs'

await withBrowser(async (browser) => {
  let context
  let page
  let requests

  const acts = {
    /** A page with a memory (localStorage) of its own. */
    async open(url) {
      await context?.close()
      context = await browser.newContext()
      page = await context.newPage()
      requests = []
      page.on('request', (request) => {
        const offset = request.headers()['upload-offset']
        requests.push({ request, method: request.method(), url: request.url(), offset })
      })
      page.on('response', (response) => {
        const known = requests.find(({ request }) => request === response.request())
        if (known) known.status = response.status()
      })
      await page.goto(url)
    },
    add: (paths) => page.setInputFiles('#files', paths),
    reload: () => page.reload(),
    offline: (is) => context.setOffline(is),
    call: (name) => page.evaluate(`void uppy.${name}()`),
    files: () => page.evaluate('files()'),
    requests: () => requests.map(({ request, ...facts }) => facts),
  }

  for await (const step of steps()) {
    try {
      tell({ done: (await acts[step.do](step.with)) ?? null })
    } catch (error) {
      tell({ failed: `${step.do}: ${error.message}` })
    }
  }
})
