// One upload in the list: an element that is kept and changed in place, so that focus and links survive a refresh.

import { idOf } from './memory.js'
import { ago, bytes, expiry, kind } from './words.js'

const template = document.getElementById('row')

export class Row {
  /** `acts` holds what the buttons do: `copy(item)` and `remove(item)`, each giving a promise. */
  constructor(item, acts) {
    this.element = template.content.firstElementChild.cloneNode(true)
    this.part = (name) => this.element.querySelector(name)
    this.item = item
    this.element.dataset.id = idOf(item)
    this.part('.thumbnail').addEventListener('error', () => (this.part('.thumbnail').hidden = true))
    this.part('.copy').addEventListener('click', () => this.#copy(acts))
    this.part('.delete').addEventListener('click', () => this.#ask())
    this.part('.no').addEventListener('click', () => this.#keep())
    this.part('.yes').addEventListener('click', () => this.#remove(acts))
    this.part('.confirm').addEventListener('keydown', (event) => event.key === 'Escape' && this.#keep())
  }

  /** Show the facts of an upload. `live` says in a word what goes on with it, if anything does: "uploading". */
  update(item, { live, canResume, now }) {
    this.item = item
    const name = item.filename || 'Unnamed file'
    const complete = item.status === 'complete'
    const { letters, kind: family } = kind(name, item.content_type)
    this.element.dataset.status = item.status
    this.element.dataset.live = live ?? ''
    this.#write('.kind', letters)
    this.part('.kind').dataset.kind = family
    this.#thumbnail(item.thumbnail_url)
    this.part('.pick input').setAttribute('aria-label', `Choose ${name}`)
    this.#write('.name', name)
    this.part('.name').title = name
    for (const selector of ['.name', '.download']) {
      if (complete) this.part(selector).href = item.upload_url
      else this.part(selector).removeAttribute('href')
    }
    this.part('.download').hidden = !complete
    this.part('.copy').hidden = !complete
    this.#label('.download', `Download ${name}`)
    this.#label('.delete', complete ? `Delete ${name}` : `Cancel and delete ${name}`)
    if (!this.part('.copy').classList.contains('done')) this.#label('.copy', `Copy the link to ${name}`)
    this.#write('.state', stateWords(item, live))
    this.#write('.facts', factWords(item, live, canResume, now))
    this.part('.facts').title = item.expires_at ? `Expires ${new Date(item.expires_at).toLocaleString()}` : ''
    this.#line(item, complete, name)
  }

  #thumbnail(url) {
    const image = this.part('.thumbnail')
    if (!url || image.src === url) return
    image.src = url
    image.hidden = false
  }

  #line(item, complete, name) {
    const line = this.part('.line')
    line.hidden = complete || item.status === 'failed' || item.size === null
    if (line.hidden) return
    const percent = Math.floor(percentOf(item))
    line.setAttribute('aria-valuenow', percent)
    line.setAttribute('aria-label', `${name}: progress`)
    line.firstElementChild.style.width = `${percentOf(item)}%`
  }

  #write(selector, text) {
    const node = this.part(selector)
    if (node.textContent !== text) node.textContent = text
  }

  #label(selector, text) {
    const node = this.part(selector)
    node.title = text
    node.setAttribute('aria-label', text)
  }

  async #copy(acts) {
    const button = this.part('.copy')
    if (!(await acts.copy(this.item))) return
    button.classList.add('done')
    button.querySelector('use').setAttribute('href', '#icon-copied')
    setTimeout(() => {
      button.classList.remove('done')
      button.querySelector('use').setAttribute('href', '#icon-link')
    }, 1600)
  }

  #ask() {
    const name = this.item.filename || 'this file'
    this.#write('.confirm b', name)
    this.#write(
      '.confirm span',
      this.item.status === 'complete' ? 'Delete it from the server for good?' : 'Stop it and delete what has arrived?',
    )
    this.part('.confirm').setAttribute('aria-label', `Delete ${name}?`)
    this.element.classList.add('asking')
    this.part('.confirm').hidden = false
    this.part('.no').focus()
  }

  #keep() {
    this.element.classList.remove('asking')
    this.part('.confirm').hidden = true
    this.part('.delete').focus()
  }

  async #remove(acts) {
    this.part('.yes').disabled = true
    if (await acts.remove(this.item)) return
    this.part('.yes').disabled = false
    this.#keep()
  }
}

function percentOf(item) {
  return item.size ? (100 * item.offset) / item.size : 0
}

function stateWords(item, live) {
  if (item.status === 'complete') return ''
  if (item.status === 'failed') return 'failed'
  const percent = item.size ? `${Math.floor(percentOf(item))} %` : ''
  const words = live ?? (item.offset === 0 ? 'waiting' : 'stopped')
  return [words, percent].filter(Boolean).join(' ')
}

function factWords(item, live, canResume, now) {
  const complete = item.status === 'complete'
  const size = complete || !item.size ? bytes(item.size ?? item.offset) : `${bytes(item.offset)} of ${bytes(item.size)}`
  const words = [size]
  if (complete) words.push(ago(Date.parse(item.updated_at ?? item.created_at), now))
  if (canResume && !live && !complete && item.status !== 'failed') words.push('add the file again to go on')
  else if (!live) words.push(expiry(item.expires_at, now))
  return words.filter(Boolean).join(' · ')
}
