// The page: puts sign-in, uploader, uploads and links together and says how the connection is.

import { Links } from './links.js'
import { remember, resumable } from './memory.js'
import { Pace } from './pace.js'
import { Session } from './session.js'
import { SignIn } from './sign-in.js'
import { bytesLeft, createUploader, discard, hasWork, largestSize, liveUpload, rememberFiles } from './uploader.js'
import { Views } from './views.js'
import { note, restrictions, welcome } from './visitor.js'
import { bytes, left } from './words.js'

const $ = (id) => document.getElementById(id)
const { dataset } = document.documentElement
const at = (path) => new URL(path, document.baseURI).href
const endpoint = at(dataset.endpoint)
const isLinkPage = 'link' in dataset

const CONNECTION = {
  fine: 'connected',
  offline: 'offline, uploads wait',
  silent: 'no answer, trying again',
}

let uppy = null
let letGo = null
let link = null // what the link allows whose page this is
let starting = Promise.resolve()
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

const isBusy = () => uppy !== null && hasWork(uppy)
const session = new Session(at(dataset.auth), { isBusy, onChange: showSession })
const signIn = new SignIn(session)
const links = new Links({ url: at(dataset.links), session, say })
const views = isLinkPage
  ? null
  : new Views({
      urls: { status: at(dataset.status), images: at(dataset.images), zip: at(dataset.zip) },
      session,
      arePreviewsPublic: dataset.previews === 'public',
      live: (url) => uppy && liveUpload(uppy, url),
      resumable,
      say,
      onReach: reach,
    })

const list = views?.list

const hooks = {
  say,
  created(url, file) {
    // What somebody sent who signs in is in the server's list, and not for the next person at this browser.
    const isOpen = !isLinkPage && session.state === 'open'
    if (isOpen) remember({ upload_url: url, filename: file.name, size: file.size, content_type: file.type })
    list?.refreshSoon()
  },
  changed: () => list?.refreshSoon(),
  moved() {
    drawing ||= setTimeout(() => {
      drawing = 0
      session.renew()
      list?.draw()
      showConnection()
    }, 250)
  },
  sent: (id, count) => pace.note(id, count, Date.now()),
  trying: () => reach(false),
  reached: () => reach(true),
}

/** The name under which this browser keeps chosen files: nobody finds those of somebody else. */
function ownerOfFiles() {
  if (isLinkPage) return `link ${location.pathname}`
  return session.state === 'open' ? 'page' : `page of ${session.user}`
}

async function startUploader() {
  let parts
  try {
    parts = await import('./vendor/uppy.js')
  } catch (error) {
    console.error(error)
    $('drop-missing').textContent =
      'The upload widget is not built. Run “make assets” in the server’s source folder, then reload this page.'
    $('drop-missing').hidden = false
    return
  }
  if (session.state === 'out') return
  uppy = createUploader(parts, { id: ownerOfFiles(), endpoint, session, hooks, canDownload: !isLinkPage })
  letGo = rememberFiles(uppy, parts)
  const here = uppy
  const largest = await largestSize(endpoint).catch(() => 0)
  here.setOptions({ restrictions: link ? restrictions(link, largest) : { maxFileSize: largest || null } })
  const anything = largest > 0 ? `Any kind of file, up to ${bytes(largest)} each` : 'Any kind of file, any size'
  here.getPlugin('Dashboard')?.setOptions({ note: link ? note(link) : anything })
}

function stopUploader() {
  if (uppy) discard(uppy)
  letGo?.()
  uppy = letGo = null
}

/** Somebody came, or went, or will have to show who they are. */
function showSession() {
  const { state, user } = session
  const isOut = state === 'out'
  signIn.show()
  document.documentElement.dataset.session = state
  document.querySelector('main').classList.toggle('alone', isOut)
  for (const id of ['drop', 'side']) $(id).hidden = isOut
  $('who').hidden = isOut || state === 'open'
  $('who-name').textContent = user ?? ''
  $('sign-out').setAttribute('aria-label', `Sign out ${user ?? ''}`)
  $('recent-title').textContent = 'Your uploads'
  $('empty-about').textContent = 'Your first upload shows up here, ready to download.'
  links.refresh()
  if (isOut) {
    stopUploader()
    views.clear()
    return
  }
  starting = starting.then(() => uppy ?? startUploader())
  views.refresh()
}

$('sign-out').addEventListener('click', async () => {
  const count = uppy ? uppy.getFiles().filter((file) => !file.progress.uploadComplete).length : 0
  const files = count === 1 ? 'One upload' : `${count} uploads`
  const question = `${files} of this page will stop. What has arrived is kept: add the files again to go on.`
  if (count === 0 || confirm(question)) await session.signOut()
})

window.addEventListener('offline', () => {
  showConnection()
  list?.draw()
})
window.addEventListener('online', () => {
  showConnection()
  views?.refresh()
})

$('endpoint').textContent = endpoint
document.title = `Uploads · ${location.host}`
showConnection()
if (isLinkPage) {
  link = await welcome(endpoint)
  if (link) await startUploader()
} else {
  await session.begin({ onReach: reach })
  if (session.state === 'open') {
    views.refresh()
    await startUploader()
  } else {
    showSession()
  }
}
