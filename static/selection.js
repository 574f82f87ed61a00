// Which uploads are chosen: by their boxes, with Shift from one to another, and by the keyboard. It knows elements with
// a `data-id` and a box in them, so the list and the gallery are the same to it.

const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }
const BOX = '.pick input'
// What arrow keys go along: boxes from box to box, images from image to image.
const TRACKS = [BOX, '.tile-open']

const $ = (id) => document.getElementById(id)

export class Selection {
  #ids = new Set()
  #anchor = null // where a range begins
  #range = [] // what the last range has added
  #place = null

  /** `onChange()` is told when something else is chosen; `onDelete()`, that the key for it was pressed. */
  constructor({ places, onChange, onDelete }) {
    Object.assign(this, { onChange, onDelete })
    for (const place of places) {
      place.addEventListener('click', (event) => this.#click(event), true)
      place.addEventListener('keydown', (event) => this.#press(event))
    }
    $('choose-all').addEventListener('change', (event) => this.#set(event.target.checked ? this.#shown() : []))
  }

  /** What is chosen, in the order in which it is shown. */
  get ids() {
    return this.#shown().filter((id) => this.#ids.has(id))
  }

  /** Put the focus on the box of an upload. */
  focus(id) {
    const element = this.#elements().find(({ dataset }) => dataset.id === id)
    const box = element?.querySelector(BOX) ?? $('refresh')
    box.focus({ preventScroll: true })
  }

  /** What is shown behind what is chosen, or before it: the next to turn to when all of that is gone. */
  after() {
    const shown = this.#shown()
    const last = shown.findLastIndex((id) => this.#ids.has(id))
    return shown.slice(last).find((id) => !this.#ids.has(id)) ?? shown.findLast((id) => !this.#ids.has(id))
  }

  /** Choose in another place; nothing is chosen there yet. */
  move(place) {
    this.#place = place
    this.clear()
  }

  clear() {
    this.#anchor = null
    this.#set([])
  }

  /** What is shown has changed: what is not there any more is not chosen any more. */
  draw() {
    const shown = this.#elements()
    const count = this.#ids.size
    this.#ids = new Set(shown.map(({ dataset }) => dataset.id).filter((id) => this.#ids.has(id)))
    for (const element of shown) {
      const isChosen = this.#ids.has(element.dataset.id)
      element.classList.toggle('is-chosen', isChosen)
      element.querySelector(BOX).checked = isChosen
    }
    $('choose-all').checked = shown.length > 0 && this.#ids.size === shown.length
    $('choose-all').indeterminate = this.#ids.size > 0 && this.#ids.size < shown.length
    $('choose-all').disabled = shown.length === 0
    if (this.#ids.size !== count) this.onChange()
  }

  #elements() {
    return this.#place ? [...this.#place.querySelectorAll('[data-id]')] : []
  }

  #shown() {
    return this.#elements().map(({ dataset }) => dataset.id)
  }

  #set(ids) {
    this.#ids = new Set(ids)
    this.#range = []
    this.draw()
    this.onChange()
  }

  #toggle(id) {
    const others = [...this.#ids].filter((one) => one !== id)
    this.#anchor = id
    this.#set(this.#ids.has(id) ? others : [...others, id])
  }

  /** Choose all from where the range began up to here, and let go what it held before. */
  #extend(id) {
    const shown = this.#shown()
    const ends = [shown.indexOf(this.#anchor), shown.indexOf(id)]
    if (ends[0] < 0) return this.#toggle(id)
    const range = shown.slice(Math.min(...ends), Math.max(...ends) + 1)
    const kept = [...this.#ids].filter((one) => !this.#range.includes(one))
    this.#set([...kept, ...range])
    this.#range = range
    return undefined
  }

  #click(event) {
    const isBox = event.target.matches(BOX)
    const isWithKey = event.shiftKey || event.ctrlKey || event.metaKey
    const id = event.target.closest('[data-id]')?.dataset.id
    if (!id || !(isBox || (isWithKey && event.target.closest('.tile-open')))) return
    if (!isBox) {
      event.preventDefault()
      event.stopPropagation() // the image is chosen, and not opened
    }
    if (event.shiftKey) this.#extend(id)
    else this.#toggle(id)
  }

  #press(event) {
    const element = event.target.closest('[data-id]')
    if (!element || event.target.closest('.confirm')) return
    const hasCommand = event.ctrlKey || event.metaKey
    if (event.key in ARROWS && !hasCommand && !event.altKey) this.#walk(event, element)
    else if (event.key === 'a' && hasCommand) this.#set(this.#shown())
    else if (event.key === 'Escape' && this.#ids.size > 0) this.clear()
    else if (event.key === 'Delete' && this.#ids.size > 0) this.onDelete()
    else return
    event.preventDefault()
  }

  #walk(event, element) {
    const track = TRACKS.find((one) => event.target.matches(one))
    if (!track) return
    const elements = this.#elements()
    const columns = elements.filter(({ offsetTop }) => offsetTop === elements[0].offsetTop).length
    const [across, down] = ARROWS[event.key]
    const next = elements[elements.indexOf(element) + across + down * columns]
    if (!next) return
    next.querySelector(track).focus()
    if (!event.shiftKey) return
    this.#anchor ??= element.dataset.id
    this.#extend(next.dataset.id)
  }
}
