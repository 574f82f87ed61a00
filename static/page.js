// The page: puts the uploader and the list together and says how the connection is.

import { UploadList } from './list.js'
import { remember, resumable } from './memory.js'
import { Pace } from './pace.js'
import { applyLimits, bytesLeft, createUploader, liveUpload, rememberFiles } from './uploader.js'
import { bytes, left } from './words.js'

const $ = (id) => document.getElementById(id)
const { endpoint: endpointPath, status: statusPath } = document.documentElement.dataset
const endpoint = new URL(endpointPath, document.baseURI).href
const statusUrl = new URL(statusPath, document.baseURI).href

const CONNECTION = {
  fine: 'connected',
  offline: 'offline, uploads wait',
  silent: 'no answer, trying again',
}

let uppy = null
let toastTimer = 0
let isReached = true
let drawing = 0
const pace = new Pace()

function say(text) {
  clearTimeout(toastTimer)
  $('toast').textContent = text
  $('toast').classList.add('shown')
  toastTimer = setTimeout(() => $('toast').classList.remove('shown'), 4500)
}

function showConnection() {
  const state = !navigator.onLine ? 'offline' : isReached ? 'fine' : 'silent'
  const text = (state === 'fine' && paceWords()) || CONNECTION[state]
  $('connection').dataset.state = state
  if ($('connection-text').textContent !== text) $('connection-text').textContent = text
}

function paceWords() {
  const remaining = uppy ? bytesLeft(uppy) : 0
  const rate = remaining > 0 ? pace.rate(Date.now()) : null
  return rate && `${bytes(rate)}/s, ${left(remaining / rate)}`
}

function reach(is) {
  isReached = is
  showConnection()
}

const list = new UploadList({
  statusUrl,
  live: (url) => uppy && liveUpload(uppy, url),
  resumable,
  say,
  onReach: reach,
})

const hooks = {
  say,
  created(url, file) {
    remember({ upload_url: url, filename: file.name, size: file.size, content_type: file.type })
    list.refreshSoon()
  },
  changed: () => list.refreshSoon(),
  moved() {
    drawing ||= setTimeout(() => {
      drawing = 0
      list.draw()
      showConnection()
    }, 250)
  },
  sent: (id, count) => pace.note(id, count, Date.now()),
  trying: () => reach(false),
  reached: () => reach(true),
}

window.addEventListener('offline', () => {
  showConnection()
  list.draw()
})
window.addEventListener('online', () => {
  showConnection()
  list.refresh()
})

$('endpoint').textContent = endpoint
document.title = `Uploads · ${location.host}`
showConnection()
list.refresh()

try {
  const parts = await import('./vendor/uppy.js')
  uppy = createUploader(parts, { endpoint, hooks })
  rememberFiles(uppy, parts)
} catch (error) {
  console.error(error)
  $('drop-missing').textContent =
    'The upload widget is not built. Run “make assets” in the server’s source folder, then reload this page.'
  $('drop-missing').hidden = false
}
if (uppy) {
  const size = await applyLimits(uppy, endpoint).catch(() => 0)
  uppy
    .getPlugin('Dashboard')
    .setOptions({ note: size > 0 ? `Any kind of file, up to ${bytes(size)} each` : 'Any kind of file, any size' })
}
