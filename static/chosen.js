// The bar for what is chosen: one ZIP of all, their links, deleting them.

import { ask, reason } from './asking.js'
import { copyLinks } from './clipboard.js'
import { confirmDeletion } from './question.js'
import { bytes } from './words.js'

// Servers and proxies take addresses of about 8,000 characters.
const LONGEST = 7000
const AT_ONCE = 4

const $ = (id) => document.getElementById(id)

export class Chosen {
  #isBusy = false

  /**
   * `session` says who asks; `selection` tells what is chosen; `view()` gives the list or the gallery, whichever is shown.
   * `onDelete(ids)` is told what was deleted, and that the views may be out of date.
   */
  constructor({ zipUrl, session, selection, view, say, onDelete }) {
    Object.assign(this, { zipUrl, session, selection, view, say, onDelete })
    $('chosen-none').addEventListener('click', () => this.#letGo())
    $('chosen-copy').addEventListener('click', () => {
      const whole = this.#entries().filter((entry) => entry.isComplete)
      copyLinks(whole, session, say)
    })
    $('chosen-delete').addEventListener('click', () => this.delete())
    $('chosen').addEventListener('keydown', (event) => event.key === 'Escape' && this.#letGo())
    $('chosen-zip').addEventListener('click', (event) => {
      event.preventDefault()
      this.#download($('chosen-zip').href)
    })
  }

  /** Show how much is chosen, and what can be done with it. */
  draw() {
    const entries = this.#entries()
    const whole = entries.filter((entry) => entry.isComplete)
    const size = whole.reduce((sum, entry) => sum + (entry.size ?? 0), 0)
    const isAny = entries.length > 0
    document.documentElement.classList.toggle('choosing', isAny)
    $('chosen').hidden = !isAny
    $('chosen-count').textContent = `${entries.length} chosen`
    $('chosen-size').textContent = whole.length > 0 ? bytes(size) : ''
    $('chosen-said').textContent = isAny ? `${entries.length} chosen` : ''
    this.#drawZip(whole, entries.length - whole.length)
    $('chosen-copy').disabled = whole.length === 0
    const links = whole.length === 1 ? 'Copy link' : 'Copy links'
    $('chosen-copy').title = $('chosen-copy').querySelector('span').textContent = links
  }

  #drawZip(whole, left) {
    const most = Math.floor((LONGEST - this.#zipAddress([]).length) / 23)
    const isTooMany = whole.length > most
    const isGiven = whole.length > 0 && !isTooMany
    if (isGiven) $('chosen-zip').href = this.#zipAddress(whole.map((entry) => entry.id))
    else $('chosen-zip').removeAttribute('href')
    $('chosen-zip').setAttribute('aria-disabled', !isGiven)
    const unfinished = left === 1 ? 'One is not finished' : `${left} are not finished`
    let note = left > 0 ? `${unfinished}, and stays out of the ZIP and the links.` : ''
    if (isTooMany) note = `One ZIP takes up to ${most} of them.`
    $('chosen-note').textContent = note
    $('chosen-note').hidden = !note
  }

  /** Have the browser fetch the archive by itself, so that it can pause it and go on with it. */
  async #download(href) {
    if (!href) return
    try {
      await ask(href, { method: 'HEAD', headers: this.session.headers() })
      Object.assign(document.createElement('a'), { href, download: '' }).click()
      this.say('The download has begun: your browser shows how far it is.')
    } catch (error) {
      if (error.status === 401) this.session.refused('GET')
      const isGone = [404, 409, 410].includes(error.status)
      this.say(`There is no ZIP: ${isGone ? 'one of them is not there any more' : reason(error)}`)
      this.onDelete([])
    }
  }

  #zipAddress(ids) {
    const day = new Date().toLocaleDateString('sv') // as ISO 8601 has it
    return `${this.zipUrl}?name=uploads-${day}&uploads=${ids.join(',')}`
  }

  #entries() {
    return this.selection.ids.map((id) => this.view().entry(id)).filter(Boolean)
  }

  #letGo() {
    const [first] = this.selection.ids
    this.selection.clear()
    this.selection.focus(first)
  }

  /** Ask, and delete what is chosen. What could not be deleted stays chosen, to be tried again. */
  async delete() {
    const entries = this.#entries()
    if (this.#isBusy || entries.length === 0 || !(await confirmDeletion(entries.map((entry) => entry.name)))) return
    this.#isBusy = true
    $('chosen-delete').disabled = true
    const view = this.view()
    const next = this.selection.after()
    const failures = await deleteAll(entries, view)
    this.#isBusy = false
    $('chosen-delete').disabled = false
    const failed = new Set(failures.map(([entry]) => entry.id))
    this.onDelete(entries.map((entry) => entry.id).filter((id) => !failed.has(id)))
    this.#tell(entries.length, failures)
    if (failures.length === 0) this.selection.focus(next)
  }

  #tell(count, failures) {
    const all = count === 1 ? 'It is deleted' : `All ${count} are deleted`
    if (failures.length === 0) return this.say(all)
    const [[entry, error]] = failures
    const name = entry.name || 'One file'
    const which = failures.length === 1 ? `${name} was` : `${failures.length} of ${count} were`
    return this.say(`${which} not deleted: ${reason(error)}`)
  }
}

/** Delete entries of a view, some at a time; gives those that were not, each with the error. */
async function deleteAll(entries, view) {
  const waiting = [...entries]
  const failures = []
  const work = async () => {
    for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
      try {
        await view.delete(entry.id)
      } catch (error) {
        failures.push([entry, error])
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return failures
}
