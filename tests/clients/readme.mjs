// Opens a page with Uppy's Dashboard, gives it files as a user would, and tells what the page shows at the end.
import { withBrowser } from './browser.mjs'
import { job, tell } from './job.mjs'

await withBrowser(async (browser) => {
  const page = await browser.newPage()
  const failures = []
  page.on('pageerror', (error) => failures.push(String(error)))
  await page.goto(job.url)
  await page.locator('.uppy-Dashboard-input').first().setInputFiles(job.files)
  await page.locator('.uppy-StatusBar-actionBtn--upload').click()
  const status = page.locator('.uppy-StatusBar-statusPrimary', { hasText: 'Complete' })
  await status.waitFor({ timeout: 20_000 })
  tell({ failures, shown: (await status.textContent()).trim() })
})
