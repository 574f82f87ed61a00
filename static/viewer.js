// One image at a time, large, over the page.

import { picture } from './addresses.js'
import { bytes } from './words.js'

const LARGE = 'w=1600&format=webp'
const SWIPE = 50 // pixels

const $ = (id) => document.getElementById(id)

export class Viewer {
  #id = null
  #index = 0 // of an image that has gone, whose neighbour takes its place
  #from = null // where a finger came down

  /** `gallery` has the images. `copy(id)` and `remove(id)` are what its buttons do. */
  constructor({ gallery, copy, remove }) {
    this.gallery = gallery
    $('viewer-copy').addEventListener('click', () => copy(this.#id))
    $('viewer-delete').addEventListener('click', () => remove(this.#id))
    $('viewer-close').addEventListener('click', () => $('viewer').close())
    $('viewer-previous').addEventListener('click', () => this.#step(-1))
    $('viewer-next').addEventListener('click', () => this.#step(1))
    $('viewer').addEventListener('keydown', (event) => this.#press(event))
    $('viewer').addEventListener('close', () => this.#closed())
    $('viewer-image').addEventListener('load', () => this.#mark('shown'))
    $('viewer-image').addEventListener('error', () => this.#mark('failed'))
    this.#listenToFingers()
  }

  open(id) {
    this.#show(id)
    // What lies behind an open dialog is not seen, and not told.
    $('viewer').append($('toast'))
    $('viewer').showModal()
    $('viewer-close').focus()
  }

  /** The images have changed: if this one has gone, show the next. */
  draw() {
    if (!$('viewer').open) return
    const { images } = this.gallery
    const here = images.findIndex((item) => item.upload_id === this.#id)
    if (here >= 0) return this.#count(here)
    const heir = images[Math.min(this.#index, images.length - 1)]
    if (heir) return this.#show(heir.upload_id)
    return $('viewer').close()
  }

  #show(id) {
    const { images } = this.gallery
    const index = images.findIndex((item) => item.upload_id === id)
    const item = images[index]
    this.#id = id
    this.#mark('waiting')
    const frame = $('viewer-frame').style
    frame.setProperty('--width', item.width)
    frame.setProperty('--height', item.height)
    $('viewer-thumbnail').src = item.thumbnail_url
    $('viewer-image').src = large(item)
    $('viewer-image').alt = item.original_filename
    $('viewer-name').textContent = item.original_filename
    $('viewer-facts').textContent = `${item.width} × ${item.height} · ${bytes(item.file_size)}`
    $('viewer-download').href = item.preview_url
    $('viewer-download').download = item.original_filename
    this.#count(index)
    for (const near of [images[index + 1], images[index - 1]]) if (near) new Image().src = large(near)
  }

  #count(index) {
    const { images, hasMore } = this.gallery
    this.#index = index
    $('viewer-count').textContent = `${index + 1} of ${images.length}${hasMore ? '+' : ''}`
    $('viewer-previous').setAttribute('aria-disabled', index === 0)
    $('viewer-next').setAttribute('aria-disabled', index === images.length - 1 && !hasMore)
  }

  async #step(by) {
    const { images, hasMore } = this.gallery
    const next = images[this.#index + by] ?? (by === 1 && hasMore ? await this.gallery.more() : null)
    if (next && $('viewer').open) this.#show(next.upload_id)
  }

  #mark(state) {
    $('viewer').dataset.state = state
  }

  #press(event) {
    const act = {
      ArrowLeft: () => this.#step(-1),
      ArrowRight: () => this.#step(1),
      Home: () => this.#step(-this.#index),
      End: () => this.#step(this.gallery.images.length - 1 - this.#index),
      Delete: () => $('viewer-delete').click(),
    }[event.key]
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    act()
  }

  #closed() {
    document.body.append($('toast'))
    $('viewer-image').removeAttribute('src')
    this.gallery.focus(this.#id)
  }

  #listenToFingers() {
    const stage = $('viewer-stage')
    stage.addEventListener('pointerdown', (event) => (this.#from = event.pointerType === 'touch' ? event : null))
    stage.addEventListener('pointerup', (event) => {
      const across = this.#from ? event.clientX - this.#from.clientX : 0
      const along = this.#from ? event.clientY - this.#from.clientY : 0
      if (Math.abs(across) > SWIPE && Math.abs(across) > Math.abs(along)) this.#step(across < 0 ? 1 : -1)
      this.#from = null
    })
    stage.addEventListener('pointercancel', () => (this.#from = null))
    // Beside the image there is nothing: a click there goes back.
    stage.addEventListener('click', (event) => event.target === stage && $('viewer').close())
  }
}

function large(item) {
  return picture(item.preview_url, item.upload_id, LARGE)
}
