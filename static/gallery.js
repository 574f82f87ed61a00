// The images among the uploads, as the server's /api/images tells them.

import { forOthers, here, picture } from './addresses.js'
import { ask, erase, reason, Refused } from './asking.js'
import { Tile } from './tile.js'

const PAGE = 60

const $ = (id) => document.getElementById(id)

export class Gallery {
  #items = new Map() // by id
  #tiles = new Map()
  #cursor = null
  #running = null
  #isWanted = false

  /**
   * `url` is the address of /api/images. `session` says who asks. `arePreviewsPublic`: whoever has the link of an image
   * sees it. `open(id)` shows an image large. `on` has what is told of events: `reach(is)`, whether the server answers;
   * `draw()`, the tiles may be others.
   */
  constructor({ url, session, arePreviewsPublic, open, on }) {
    Object.assign(this, { url, session, arePreviewsPublic, open, on })
    $('more-images').addEventListener('click', () => this.more())
  }

  /** The images that are known, newest first. */
  get images() {
    return [...this.#items.values()]
  }

  /** There are older ones than those. */
  get hasMore() {
    return Boolean(this.#cursor)
  }

  /** Look again now; once more where a look is under way, which may be too early for what is new. */
  refresh() {
    if (!this.session.isValid) return
    this.#isWanted = true
    this.#running ??= this.#lookWhileWanted()
  }

  async #lookWhileWanted() {
    while (this.#isWanted) {
      this.#isWanted = false
      await this.#look()
    }
    this.#running = null
  }

  async #look() {
    try {
      const { data, next_cursor: cursor } = await this.#ask(`?limit=${PAGE}`)
      this.#take(data, cursor)
      this.#say('')
      this.on.reach(true)
    } catch (error) {
      if (error.status === 401) this.session.refused('GET')
      if (!(error instanceof Refused)) this.on.reach(false)
      this.#say(`The images could not be read: ${reason(error)}.`)
    }
    $('tiles').removeAttribute('aria-busy')
    this.draw()
  }

  /** The newest, and behind them what was shown of the older ones, if the two still meet. */
  #take(newest, cursor) {
    const last = newest.at(-1)?.upload_id
    const ids = [...this.#items.keys()]
    const older = cursor && ids.includes(last) ? this.images.slice(ids.indexOf(last) + 1) : []
    if (older.length === 0) this.#cursor = cursor
    this.#items = new Map([...newest.map(absolute), ...older].map((item) => [item.upload_id, item]))
  }

  /** Show older ones too; gives a promise of the first of them, of nothing if there are none. */
  async more() {
    $('more-images').disabled = true
    let first = null
    try {
      const { data, next_cursor: cursor } = await this.#ask(`?limit=${PAGE}&cursor=${encodeURIComponent(this.#cursor)}`)
      this.#cursor = cursor
      const unknown = data.map(absolute).filter((item) => !this.#items.has(item.upload_id))
      for (const item of unknown) this.#items.set(item.upload_id, item)
      this.draw()
      first = unknown[0] ?? null
      if (first && !document.querySelector('dialog[open]')) this.focus(first.upload_id)
    } catch (error) {
      this.#say(`Older images could not be read: ${reason(error)}.`)
    }
    $('more-images').disabled = false
    return first
  }

  async #ask(query) {
    return (await ask(this.url + query, { headers: this.session.headers() })).json()
  }

  draw() {
    for (const [id, tile] of this.#tiles) {
      if (this.#items.has(id)) continue
      tile.remove()
      this.#tiles.delete(id)
    }
    let before = null
    for (const [id, item] of this.#items) {
      if (!this.#tiles.has(id)) this.#tiles.set(id, new Tile(item, this.open))
      const { element } = this.#tiles.get(id)
      const place = before ? before.nextSibling : $('tiles').firstChild
      if (place !== element) $('tiles').insertBefore(element, place)
      before = element
    }
    $('no-images').hidden = this.#items.size > 0 || !$('images-error').hidden || $('tiles').hasAttribute('aria-busy')
    $('more-images').hidden = !this.#cursor
    this.on.draw()
  }

  /** Put the focus on an image. */
  focus(id) {
    const tile = this.#tiles.get(id)?.part('.tile-open') ?? $('refresh')
    tile.focus({ preventScroll: true })
    tile.scrollIntoView({ block: 'nearest' })
  }

  /** An image that is shown, in the words of what can be done with several; nothing where there is none. */
  entry(id) {
    const item = this.#items.get(id)
    if (!item) return null
    const { original_filename: name, file_size: size, link } = item
    return { id, name, size, link, isComplete: true, isPublic: this.arePreviewsPublic }
  }

  /** Delete an image with its upload. Raises Refused. */
  async delete(id) {
    const item = this.#items.get(id)
    if (!item) return
    await erase(`${this.url}/${encodeURIComponent(item.stored_filename)}`, this.session)
    this.drop(id)
  }

  /** An image is deleted. */
  drop(id) {
    if (this.#items.delete(id)) this.draw()
  }

  /** Forget everything: nobody is signed in any more. */
  clear() {
    this.#items.clear()
    this.#cursor = null
    this.draw()
  }

  #say(text) {
    $('images-error').hidden = !text
    if ($('images-error').textContent !== text) $('images-error').textContent = text
  }
}

function absolute(item) {
  const { preview_url: preview, thumbnail_url: thumbnail, upload_id: id } = item
  return { ...item, preview_url: here(preview), thumbnail_url: picture(thumbnail, id), link: forOthers(preview) }
}
