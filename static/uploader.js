// Uppy over tus: what the page adds is that it carries on by itself, and says why when it cannot.

import { rememberPaused, rememberedPaused } from './memory.js'
import { detail } from './words.js'

const MiB = 1024 * 1024
const DAY = 86400000
// About five minutes of trying: a restart of the server or a walk between two networks is over by then. Bytes that
// arrive begin the count anew.
const RETRIES = [100, 1000, 3000, 5000, ...Array(30).fill(10000)]
// A browser opens six connections to a host. Two stay free for the list, for pausing and for deleting.
const AT_ONCE = 4

const WORDS = {
  dropPasteBoth: 'Drop files or folders here %{browseFiles} %{browseFolders}',
  browseFiles: 'Choose files',
  browseFolders: 'Choose a folder',
  dashboardTitle: 'Upload files',
  dropHint: 'Let go to upload',
  recoveredAllFiles: 'Everything is still here. Go on where it stopped.',
  recoveredXFiles: {
    0: 'One file was too large for the browser to keep. Choose it again: no byte is sent twice.',
    1: '%{smart_count} files were too large for the browser to keep. Choose them again: no byte is sent twice.',
  },
  sessionRestored: 'Unfinished uploads.',
  reSelect: 'Choose again',
  uploadXFiles: { 0: 'Go on', 1: 'Go on' }, // the button shows only for what was restored
  uploadFailed: 'Not everything arrived',
}
const CORE_WORDS = {
  noInternetConnection: 'Offline. Uploads wait and go on by themselves.',
  connectedToInternet: 'Online again.',
  failedToUpload: '%{file} stopped',
  exceedsSize: '%{file} is larger than this server takes: %{size}',
}

// Nothing can be dropped with a finger.
const TOUCH_WORDS = { dropPasteBoth: 'Send from this device %{browseFiles} %{browseFolders}' }

/**
 * Set up Uppy on the page. `parts` are the classes of vendor/uppy.js. What it keeps in the browser goes by `id`.
 * `session` says who asks. `canDownload`: what was sent may be had back. `hooks` are told what happens:
 * `created(url, file)`; `changed()`, an upload ended or went away; `moved()`, anything is other than before;
 * `sent(id, bytes)`; `trying()` and `reached()`, the server fell silent or answers again; `say(text)` is for people.
 */
export function createUploader(parts, { id, endpoint, session, hooks, canDownload }) {
  const { Uppy, Dashboard, Tus } = parts
  const uppy = new Uppy({ id, autoProceed: true, locale: { strings: CORE_WORDS } })
  uppy.use(Dashboard, {
    target: '#drop',
    inline: true,
    width: '100%',
    height: '100%',
    theme: 'auto',
    fileManagerSelectionType: 'both',
    proudlyDisplayPoweredByUppy: false,
    showLinkToFileUploadResult: canDownload,
    singleFileFullScreen: false,
    hideProgressDetails: true, // its guess at the time left is far off when bytes go in gusts, or after a reload
    disableInformer: true, // its messages go where the page's own do
    locale: { strings: matchMedia('(pointer: coarse)').matches ? { ...WORDS, ...TOUCH_WORDS } : WORDS },
  })
  uppy.use(Tus, {
    endpoint,
    limit: AT_ONCE,
    retryDelays: RETRIES,
    onBeforeRequest: authorizer(uppy, session),
    onShouldRetry: (error, attempt, options, standard) => shouldRetry(error, standard, session, hooks),
    onError: explain,
    onAfterResponse: () => hooks.reached(),
  })
  report(uppy, hooks)
  carryOn(uppy, hooks)
  return uppy
}

/**
 * Remember chosen files over a reload. Only one tab may: two would send the same files at the same time.
 * Gives what lets another tab do so.
 */
export function rememberFiles(uppy, { GoldenRetriever }) {
  let letGo
  let isOver = false
  const over = new Promise((resolve) => (letGo = resolve)).then(() => (isOver = true))
  const start = () =>
    isOver ||
    uppy.use(GoldenRetriever, {
      expires: 7 * DAY,
      indexedDB: { expires: 7 * DAY, maxFileSize: 256 * MiB, maxTotalSize: 1024 * MiB },
    })
  const held = () => {
    start()
    return over // or until the tab closes
  }
  // The page that is being reloaded may hold the lock a moment longer.
  const options = { signal: AbortSignal.timeout(1500) }
  if (navigator.locks) navigator.locks.request(`tusserver:files ${uppy.getID()}`, options, held).catch(() => {})
  else start() // plain http on a name other than localhost
  return letGo
}

/** Take the uploader off the page and its files out of the browser. What has arrived stays on the server. */
export function discard(uppy) {
  uppy.pauseAll()
  uppy.clear() // without telling the server to delete anything, as cancelling does
  rememberPaused(uppy)
  uppy.destroy()
}

/** The largest file that the server takes, so that people are told before they send; 0 where there is no limit. */
export async function largestSize(endpoint) {
  const answer = await fetch(endpoint, { method: 'OPTIONS' })
  return Number(answer.headers.get('Tus-Max-Size'))
}

/** What this page does with the upload at an address; nothing when it has none there. */
export function liveUpload(uppy, url) {
  const file = uppy.getFiles().find((one) => addressOf(one) === url)
  if (!file) return null
  const waits = !navigator.onLine || uppy.getState().recoveredState
  return {
    state: stateOf(file, waits),
    offset: file.progress.bytesUploaded || 0,
    remove: () => uppy.removeFile(file.id),
  }
}

function stateOf(file, waits) {
  if (file.progress.uploadComplete) return 'finishing'
  if (file.isGhost) return 'choose it again'
  if (file.error) return 'stopped'
  if (file.isPaused) return 'paused'
  return waits ? 'waiting' : 'uploading'
}

/** How many bytes are still to go of what is on its way now. */
export function bytesLeft(uppy) {
  const { inProgressNotPausedFiles } = uppy.getObjectOfFilesPerState()
  return inProgressNotPausedFiles.reduce(
    (sum, { size, progress }) => sum + (size || 0) - (progress.bytesUploaded || 0),
    0,
  )
}

/** Whether uploads wait or run: not those that are paused, or that somebody has to choose again. */
export function hasWork(uppy) {
  return uppy.getFiles().some((file) => !file.progress.uploadComplete && !file.isPaused && !file.isGhost && !file.error)
}

function addressOf(file) {
  const url = file.tus?.uploadUrl ?? file.uploadURL
  return url ? new URL(url, document.baseURI).href : null
}

/** Make the function that tus-js-client calls before each request: it adds the token, and waits where there is none. */
function authorizer(uppy, session) {
  const latest = new Map() // by file: its newest request
  return async (request, file) => {
    latest.set(file.id, request)
    while (!session.allows(request.getMethod())) {
      await session.signedIn()
      const now = uppy.getFile(file.id)
      const isWanted = now && !now.isPaused && latest.get(file.id) === request
      // Paused, removed or started again meanwhile: a request that is let go now would make an upload nobody asks for.
      if (!isWanted) await new Promise(() => {})
    }
    for (const [name, value] of Object.entries(session.headers())) request.setHeader(name, value)
  }
}

function shouldRetry(error, standard, session, hooks) {
  const status = error.originalResponse?.getStatus() ?? 0
  if (status === 401 && session.state !== 'open') {
    session.refused(error.originalRequest.getMethod())
    return true // it waits for somebody to sign in before it is sent again
  }
  if (status === 0 || status >= 500) hooks.trying()
  return standard(error)
}

/** Uppy shows an error's message to people: put there what the server says, not the library's report of the request. */
function explain(error) {
  const response = error.originalResponse
  const said = detail(response?.getBody?.() ?? '')
  if (said) error.message = said
  else if (response) error.message = `The server answers ${response.getStatus()}.`
  else error.message = 'The server could not be reached for some minutes. What has arrived is kept.'
}

function report(uppy, hooks) {
  const told = new Set()
  uppy.on('upload-progress', (file, progress) => {
    if (file) hooks.sent(file.id, progress.bytesUploaded)
    const url = file && addressOf(uppy.getFile(file.id) ?? file)
    if (url && !told.has(url)) {
      told.add(url)
      hooks.created(url, file)
    }
  })
  uppy.on('state-update', () => hooks.moved())
  uppy.on('info-visible', () => {
    const { message, details } = uppy.getState().info.at(-1)
    hooks.say(details ? `${message}: ${details}` : message)
  })
  uppy.on('upload-success', (file, response) => {
    const url = new URL(response.uploadURL, document.baseURI).href
    if (!told.has(url)) hooks.created(url, file)
    told.add(url)
    hooks.changed()
  })
  for (const event of ['upload-error', 'file-removed', 'complete', 'cancel-all']) uppy.on(event, () => hooks.changed())
}

function carryOn(uppy, hooks) {
  const unfinished = () => uppy.getFiles().filter((file) => !file.progress.uploadComplete)
  const whole = () => unfinished().length > 0 && unfinished().every((file) => !file.isGhost)
  for (const event of ['upload-pause', 'pause-all', 'resume-all']) uppy.on(event, () => rememberPaused(uppy))
  uppy.on('restored', () => {
    for (const id of rememberedPaused()) if (uppy.getFile(id)) uppy.setFileState(id, { isPaused: true })
    if (!uppy.getState().recoveredState || !whole()) return
    // Someone who paused before the reload finds it paused.
    if (unfinished().some((file) => file.isPaused)) return
    const count = unfinished().length
    uppy.emit('restore-confirmed')
    hooks.say(
      count === 1 ? 'Went on with the upload where it stopped' : `Went on with ${count} uploads where they stopped`,
    )
  })
  const goOnIfWhole = () => {
    if (uppy.getState().recoveredState && whole()) uppy.emit('restore-confirmed')
  }
  // The last file that was missing has been chosen again, or given up. What was paused waits for its button still.
  uppy.on('files-added', (files) => files.some((file) => file.isRestored) && goOnIfWhole())
  uppy.on('file-removed', (file) => file.isGhost && goOnIfWhole())
  window.addEventListener('online', () => {
    if (uppy.getFiles().some((file) => file.error)) uppy.retryAll()
  })
}
