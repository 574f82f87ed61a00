// The list of recent uploads: from the server's /status, or from this browser's memory where the server does not tell.

import { forOthers, picture } from './addresses.js'
import { Arrivals } from './arrivals.js'
import { ask, erase, reason, Refused } from './asking.js'
import { copyLinks } from './clipboard.js'
import { Streams } from './events.js'
import { idOf, remembered, forget } from './memory.js'
import { Row } from './row.js'
import { kind } from './words.js'

const PAGE = 20
const MOVING = 2000 // milliseconds between looks while bytes arrive
const WAITING = 15000 // while something is unfinished and nothing moves
const STILL = 8000 // after so long without a new byte an upload counts as stopped
const FRESH = 15000 // so long after it arrived an image may be without a thumbnail that is still to come
const TUS = { 'Tus-Resumable': '1.0.0' }

const $ = (id) => document.getElementById(id)

export class UploadList {
  #items = new Map() // by address: what the server last said
  #rows = new Map()
  #cursor = null
  #own = false // the server does not tell; only this browser's uploads are shown
  #movedAt = new Map() // by address: when its offset was last seen to grow
  #isNews = false // something is shown for the first time: only a second look tells whether it moves
  #timer = 0
  #running = null
  #streams
  #arrivals

  /**
   * `statusUrl` is the address of /status. `session` says who asks. `live(url)` gives what this page does with an
   * upload: nothing or `{ state, offset, remove() }`. `resumable()` gives the addresses whose file, added again, goes on.
   * `arePreviewsPublic`: whoever has the link of an image sees it. `say(text)` is for people. `on` has what is told of
   * events: `reach(is)`, whether the server answers; `draw()`, the rows may be others; `images()`, there are more images
   * than before; `delete(id)`, an upload was deleted here.
   */
  constructor({ statusUrl, session, arePreviewsPublic, live, resumable, say, on }) {
    Object.assign(this, { statusUrl, session, arePreviewsPublic, live, resumable, say, on })
    this.#arrivals = new Arrivals(() => this.refresh())
    this.#streams = new Streams({
      statusUrl,
      onEvent: (url, told) => this.#hear(url, told),
      onEnd: () => this.#plan(),
    })
    $('more').addEventListener('click', () => this.#more())
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#plan() : this.refresh()))
    // Words like "3 minutes ago" grow old without any request.
    setInterval(() => this.draw(), 30000)
  }

  /** Look again now; calls that come while a look is under way share it. */
  refresh() {
    clearTimeout(this.#timer)
    if (!this.session.isValid) {
      this.#plan()
      return Promise.resolve()
    }
    this.#running ??= this.#look().finally(() => {
      this.#running = null
      this.#plan()
    })
    return this.#running
  }

  /** Look again soon: after an upload began, ended or was removed. */
  refreshSoon(milliseconds = 400) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.refresh(), milliseconds)
  }

  #plan() {
    clearTimeout(this.#timer)
    const isIdle = document.hidden || !this.session.isValid
    const open = isIdle ? [] : [...this.#items.values()].filter(isUnfinished)
    const isHere = (item) => ['uploading', 'finishing'].includes(this.live(item.upload_url)?.state)
    const elsewhere = this.#own ? [] : open.filter((item) => !this.live(item.upload_url))
    // A sort keeps the order of equals: the newest first.
    elsewhere.sort((one, other) => this.#isArriving(other) - this.#isArriving(one))
    this.#streams.follow(elsewhere, open.filter(isHere).length)
    if (open.length === 0) return
    const isMoving = (item) => isHere(item) || (this.#isArriving(item) && !this.#streams.has(item.upload_url))
    this.#timer = setTimeout(() => this.refresh(), this.#isNews || open.some(isMoving) ? MOVING : WAITING)
  }

  /** Take in an event of an upload. What has arrived counts, also while the server has yet to confirm it. */
  #hear(url, told) {
    const item = this.#items.get(url)
    if (!item) return
    const arrived = Math.floor(((told.percent ?? 0) * (told.size ?? 0)) / 100)
    const offset = Math.max(told.offset, arrived)
    if (offset > item.offset) this.#movedAt.set(url, Date.now())
    if (isUnfinished(told)) this.#items.set(url, { ...item, ...told, upload_url: url, offset })
    else this.refreshSoon(0)
    this.draw()
  }

  /** Forget everything: nobody is signed in any more. */
  clear() {
    this.#items.clear()
    this.#cursor = null
    this.#plan()
    this.draw()
  }

  async #look() {
    try {
      if (this.#own) await this.#lookAtOwn()
      else await this.#lookAtServer()
      this.#showError('')
      this.on.reach(true)
    } catch (error) {
      if (error.status === 401 && this.session.state !== 'open') {
        this.session.refused('GET')
        return
      }
      if (error instanceof Refused && [401, 403, 404].includes(error.status) && !this.#own) {
        this.#own = true
        $('recent-title').textContent = 'From this browser'
        await this.#look()
        return
      }
      if (!(error instanceof Refused)) this.on.reach(false)
      this.#showError(`The list could not be refreshed: ${reason(error)}.`)
    }
    $('rows').removeAttribute('aria-busy')
    this.draw()
  }

  async #lookAtServer() {
    const response = await ask(`${this.statusUrl}?limit=${PAGE}`, { headers: this.session.headers() })
    const answer = await response.json()
    const fresh = answer.uploads.map(absolute)
    this.#awaitThumbnails(fresh, Date.parse(response.headers.get('Date')))
    const oldest = fresh.at(-1)?.created_at
    // What lies within the time these cover and is not among them was deleted elsewhere. What is older came by
    // "older uploads" and stays.
    const older = answer.next_cursor ? [...this.#items.values()].filter((item) => item.created_at < oldest) : []
    if (older.length === 0) this.#cursor = answer.next_cursor
    this.#replace([...fresh, ...older])
  }

  /** What has just arrived and is said to be an image is looked at by the server in a moment. */
  #awaitThumbnails(items, now) {
    for (const item of items) {
      if (item.thumbnail_url) this.#arrivals.seen(item.upload_id)
      else if (isFreshImage(item, now)) this.#arrivals.expect(item.upload_id)
    }
    if (items.some((item) => item.thumbnail_url && !this.#items.get(item.upload_url)?.thumbnail_url)) this.on.images()
  }

  async #lookAtOwn() {
    const looks = remembered().map(async (item) => {
      const answer = await fetch(item.upload_url, { method: 'HEAD', headers: TUS, cache: 'no-store' })
      if (answer.status === 404 || answer.status === 410) {
        forget(item.upload_url)
        return null
      }
      const offset = Number(answer.headers.get('Upload-Offset') ?? item.offset)
      const size = Number(answer.headers.get('Upload-Length') ?? item.size)
      const expires = answer.headers.get('Upload-Expires')
      const status = offset === size ? 'complete' : 'partial'
      return { ...item, offset, size, status, expires_at: expires && new Date(expires).toISOString() }
    })
    this.#replace((await Promise.all(looks)).filter(Boolean))
  }

  #replace(items) {
    this.#isNews = false
    for (const item of items) {
      const before = this.#items.get(item.upload_url)
      // A stream has told more than is confirmed.
      if (this.#streams.has(item.upload_url)) item.offset = Math.max(item.offset, before?.offset ?? 0)
      if (before && before.offset < item.offset) this.#movedAt.set(item.upload_url, Date.now())
      this.#isNews ||= !before
    }
    this.#items = new Map(items.map((item) => [item.upload_url, item]))
  }

  /** Whether bytes come in from elsewhere: another tab, another machine. */
  #isArriving(item) {
    return Date.now() - (this.#movedAt.get(item.upload_url) ?? 0) < STILL
  }

  async #more() {
    $('more').disabled = true
    try {
      const query = `limit=${PAGE}&cursor=${encodeURIComponent(this.#cursor)}`
      const answer = await (await ask(`${this.statusUrl}?${query}`, { headers: this.session.headers() })).json()
      const first = answer.uploads.map(absolute).filter((item) => !this.#items.has(item.upload_url))
      this.#cursor = answer.next_cursor
      this.#replace([...this.#items.values(), ...first])
      this.draw()
      this.#rows.get(first[0]?.upload_url)?.part('.name').focus({ preventScroll: true })
    } catch (error) {
      this.#showError(`Older uploads could not be read: ${reason(error)}.`)
    }
    $('more').disabled = false
  }

  /** Put on the page what is known; progress of this page's own uploads is newer than the server's list. */
  draw() {
    const now = Date.now()
    const known = this.resumable()
    for (const [url, row] of this.#rows) {
      if (this.#items.has(url)) continue
      row.element.remove()
      this.#rows.delete(url)
    }
    let before = null
    for (const [url, item] of this.#items) {
      const row = this.#rows.get(url) ?? this.#make(item)
      const live = item.status === 'complete' ? null : this.live(url)
      const shown = live
        ? { ...item, offset: Math.max(item.offset, Math.min(live.offset, item.size ?? live.offset)) }
        : item
      const state = live?.state ?? (item.status === 'partial' && this.#isArriving(item) ? 'arriving' : undefined)
      row.update(shown, { live: state, canResume: known.has(url), now })
      const place = before ? before.nextSibling : $('rows').firstChild
      if (place !== row.element) $('rows').insertBefore(row.element, place)
      before = row.element
    }
    $('empty').hidden = this.#items.size > 0 || !$('recent-error').hidden || $('rows').hasAttribute('aria-busy')
    $('more').hidden = !this.#cursor
    this.on.draw()
  }

  /** An upload that is shown, in the words of what can be done with several; nothing where there is none. */
  entry(id) {
    const item = [...this.#items.values()].find((one) => idOf(one) === id)
    if (!item) return null
    const isPublic = Boolean(item.preview_url) && this.arePreviewsPublic
    const facts = { id, name: item.filename, size: item.size, isComplete: item.status === 'complete' }
    return { ...facts, isPublic, link: linkTo(item) }
  }

  /** Delete an upload everywhere. Raises Refused. */
  async delete(id) {
    const item = [...this.#items.values()].find((one) => idOf(one) === id)
    if (!item) return
    // The page's own upload of it ends first, else it would start again when its address is gone.
    this.live(item.upload_url)?.remove()
    await erase(item.upload_url, this.session, TUS)
    this.drop(id)
  }

  /** An upload is deleted. */
  drop(id) {
    for (const [url, item] of this.#items) {
      if (idOf(item) !== id) continue
      forget(url)
      this.#items.delete(url)
    }
    this.draw()
  }

  #make(item) {
    const row = new Row(item, { copy: (of) => this.#copy(of), remove: (of) => this.#remove(of) })
    this.#rows.set(item.upload_url, row)
    return row
  }

  #copy(item) {
    return copyLinks([this.entry(idOf(item))], this.session, this.say)
  }

  async #remove(item) {
    const name = item.filename || 'The file'
    const rows = [...this.#rows.keys()]
    const next = rows[rows.indexOf(item.upload_url) + 1] ?? rows[rows.indexOf(item.upload_url) - 1]
    try {
      await this.delete(idOf(item))
    } catch (error) {
      this.say(`${name} was not deleted: ${reason(error)}`)
      return false
    }
    const heir = this.#rows.get(next)?.part('.delete') ?? $('refresh')
    heir.focus({ preventScroll: true })
    this.say(`${name} is deleted`)
    this.on.delete(idOf(item))
    this.refreshSoon()
    return true
  }

  #showError(text) {
    $('recent-error').hidden = !text
    if ($('recent-error').textContent !== text) $('recent-error').textContent = text
  }
}

function isUnfinished(item) {
  return item.status === 'pending' || item.status === 'partial'
}

function isFreshImage(item, now) {
  const isImage = kind(item.filename, item.content_type).kind === 'image'
  return isImage && item.status === 'complete' && now - Date.parse(item.updated_at) < FRESH
}

/** What to hand on to others: an image may be looked at by its own address. */
function linkTo(item) {
  return item.preview_url ? forOthers(item.preview_url) : item.upload_url
}

function absolute(item) {
  const thumbnail = item.thumbnail_url && picture(item.thumbnail_url, item.upload_id)
  return { ...item, upload_url: new URL(item.upload_url, document.baseURI).href, thumbnail_url: thumbnail }
}
