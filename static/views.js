// The uploads as a list or their images as a gallery, and what can be done with several of them in either.

import { Chosen } from './chosen.js'
import { copyLinks } from './clipboard.js'
import { Gallery } from './gallery.js'
import { UploadList } from './list.js'
import { rememberView, rememberedView } from './memory.js'
import { confirmDeletion } from './question.js'
import { reason } from './asking.js'
import { Selection } from './selection.js'
import { Viewer } from './viewer.js'

const $ = (id) => document.getElementById(id)
const PLACES = { list: 'rows', gallery: 'tiles' }

export class Views {
  #name = 'list'

  /**
   * `urls` are the addresses of /status, /api/images and /zip. `session` says who asks; `say(text)` is for people;
   * `onReach(is)` is told whether the server answers. `arePreviewsPublic`: whoever has the link of an image sees it.
   * `live` and `resumable` are for the list.
   */
  constructor({ urls, session, arePreviewsPublic, live, resumable, say, onReach }) {
    this.say = say
    const onDelete = (ids) => this.#deleted(ids)
    const on = {
      reach: onReach,
      draw: () => this.#drawn(),
      images: () => this.#refreshGallery(),
      delete: (id) => onDelete([id]),
    }
    const shared = { session, arePreviewsPublic, on }
    this.list = new UploadList({ ...shared, statusUrl: urls.status, live, resumable, say })
    this.gallery = new Gallery({ ...shared, url: urls.images, open: (id) => this.viewer.open(id) })
    const copy = (id) => copyLinks([this.gallery.entry(id)], session, say)
    const acts = { copy, remove: (id) => this.#remove(id) }
    this.viewer = new Viewer({ gallery: this.gallery, ...acts })
    this.selection = new Selection({
      places: Object.values(PLACES).map($),
      onChange: () => this.chosen.draw(),
      onDelete: () => this.chosen.delete(),
    })
    const { selection } = this
    this.chosen = new Chosen({ zipUrl: urls.zip, session, selection, view: () => this.shown, say, onDelete })
    $('refresh').addEventListener('click', () => this.refresh())
    for (const name of Object.keys(PLACES)) $(`view-${name}`).addEventListener('click', () => this.#choose(name))
    document.addEventListener('visibilitychange', () => document.hidden || this.#refreshGallery())
    this.#switch(rememberedView() === 'gallery' ? 'gallery' : 'list')
  }

  /** The list or the gallery, whichever is shown. */
  get shown() {
    return this[this.#name]
  }

  refresh() {
    this.list.refresh()
    this.#refreshGallery()
  }

  /** Forget everything: nobody is signed in any more. */
  clear() {
    this.list.clear()
    this.gallery.clear()
  }

  #refreshGallery() {
    if (this.#name === 'gallery') this.gallery.refresh()
  }

  #choose(name) {
    if (name === this.#name) return
    rememberView(name)
    this.#switch(name)
    this.refresh()
  }

  #switch(name) {
    this.#name = name
    $('recent').dataset.view = name
    for (const one of Object.keys(PLACES)) $(`view-${one}`).setAttribute('aria-pressed', one === name)
    this.selection.move($(PLACES[name]))
  }

  #drawn() {
    // Both draw before they are put together.
    this.selection?.draw()
    this.chosen?.draw()
    this.viewer?.draw()
  }

  #deleted(ids) {
    for (const id of ids) {
      this.list.drop(id)
      this.gallery.drop(id)
    }
    this.list.refreshSoon()
    this.#refreshGallery()
  }

  async #remove(id) {
    const { name } = this.gallery.entry(id)
    if (!(await confirmDeletion([name]))) return
    try {
      await this.gallery.delete(id)
    } catch (error) {
      this.say(`${name} was not deleted: ${reason(error)}`)
      return
    }
    this.#deleted([id])
    this.say(`${name} is deleted`)
  }
}
