// What this browser uploaded, for servers that do not tell their list; which files Uppy can go on with; how the uploads
// were shown.

const KEY = 'tusserver:uploads'
const PAUSED = 'tusserver:paused'
const VIEW = 'tusserver:view'
const MOST = 50

/** The uploads this browser made, newest first, in the form of /status. */
export function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? []
  } catch {
    return []
  }
}

function store(items) {
  try {
    localStorage.setItem(KEY, JSON.stringify(items.slice(0, MOST)))
  } catch {
    // A full or forbidden storage only costs the list on such servers.
  }
}

/** Keep an upload in mind, once. */
export function remember(item) {
  const items = remembered()
  if (items.some((known) => known.upload_url === item.upload_url)) return
  store([{ created_at: new Date().toISOString(), offset: 0, status: 'partial', ...item }, ...items])
}

export function forget(url) {
  const items = remembered()
  const left = items.filter((item) => item.upload_url !== url)
  if (left.length !== items.length) store(left)
}

/** The id of an upload; what this browser remembers of one has it in its address only. */
export function idOf(item) {
  return item.upload_id ?? item.upload_url.split('/').at(-1)
}

/** The addresses tus-js-client keeps in this browser: the same file, dropped again, goes on there. */
export function resumable() {
  const found = new Set()
  for (let index = 0; index < localStorage.length; index += 1) {
    const key = localStorage.key(index)
    if (!key.startsWith('tus::')) continue
    try {
      found.add(JSON.parse(localStorage.getItem(key)).uploadUrl)
    } catch {
      // Another program's entry.
    }
  }
  return found
}

/** Which files are paused: Uppy writes its own state half a second late, and a reload may come before. */
export function rememberPaused(uppy) {
  const ids = uppy.getFiles().flatMap((file) => (file.isPaused ? [file.id] : []))
  try {
    if (ids.length) sessionStorage.setItem(PAUSED, JSON.stringify(ids))
    else sessionStorage.removeItem(PAUSED)
  } catch {
    // Then a pause in the last half second before a reload is forgotten.
  }
}

export function rememberedPaused() {
  try {
    return JSON.parse(sessionStorage.getItem(PAUSED)) ?? []
  } catch {
    return []
  }
}

/** Which view of the uploads this browser showed last. */
export function rememberedView() {
  try {
    return localStorage.getItem(VIEW)
  } catch {
    return null
  }
}

export function rememberView(name) {
  try {
    localStorage.setItem(VIEW, name)
  } catch {
    // Then a reload shows the list.
  }
}
