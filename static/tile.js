// One image in the gallery: an element that is kept and changed in place.

import { picture } from './addresses.js'
import { bytes } from './words.js'

// A thumbnail may be made while many others are; it is asked for again after these pauses.
const PAUSES = [1000, 4000]
// Of what is much wider or higher than a tile, a tile that is filled shows too little.
const ODD = 2.2

const template = document.getElementById('tile')

export class Tile {
  #tries = 0
  #timer = 0

  /** `open(id)` shows the image large. */
  constructor(item, open) {
    this.element = template.content.firstElementChild.cloneNode(true)
    this.element.dataset.id = item.upload_id
    this.part = (name) => this.element.querySelector(name)
    const image = this.part('img')
    image.addEventListener('load', () => this.#show('shown'))
    image.addEventListener('error', () => this.#fail())
    this.part('.tile-open').addEventListener('click', () => open(item.upload_id))
    this.#name(item)
    image.width = item.width
    image.height = item.height
    const isOdd = Math.max(item.width / item.height, item.height / item.width) > ODD
    image.classList.toggle('whole', isOdd)
    this.#load(item)
  }

  /** Stop asking for it. */
  remove() {
    clearTimeout(this.#timer)
    this.element.remove()
  }

  #name({ original_filename: name, width, height, file_size: size }) {
    this.part('img').alt = name
    this.part('.tile-open').title = `${name}\n${width} × ${height}, ${bytes(size)}`
    this.part('.tile-name').textContent = name
    this.part('.tile-open').setAttribute('aria-label', `Open ${name}`)
    this.part('.pick input').setAttribute('aria-label', `Choose ${name}`)
  }

  #load(item) {
    const image = this.part('img')
    this.#show('waiting')
    this.load = () => {
      image.srcset = `${item.thumbnail_url} 1x, ${picture(item.preview_url, item.upload_id, 'w=640')} 2x`
      image.src = item.thumbnail_url
    }
    this.load()
  }

  #show(state) {
    this.element.dataset.state = state
  }

  #fail() {
    if (this.#tries === PAUSES.length) {
      const label = `Open ${this.part('img').alt}, which has no preview`
      this.part('.tile-open').setAttribute('aria-label', label)
      return this.#show('failed')
    }
    this.#timer = setTimeout(() => this.load(), PAUSES[this.#tries])
    this.#tries += 1
    return undefined
  }
}
