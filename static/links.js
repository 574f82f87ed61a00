// Links that others upload by: made, listed and removed by somebody who is signed in.

import { copyText } from './clipboard.js'
import { detail, terms } from './words.js'

const $ = (id) => document.getElementById(id)
const FIELDS = [
  ['max_size', 'link-size'],
  ['max_uploads', 'link-count'],
  ['expires_in', 'link-time'],
]

export class Links {
  /** `url` is the address of /links, `session` says who asks, `say(text)` is for people. */
  constructor({ url, session, say }) {
    Object.assign(this, { url, session, say })
    $('link-new').addEventListener('click', () => this.#open($('link-form').hidden))
    $('link-cancel').addEventListener('click', () => this.#open(false))
    $('link-form').addEventListener('keydown', (event) => event.key === 'Escape' && this.#open(false))
    $('link-form').addEventListener('submit', (event) => {
      event.preventDefault()
      this.#make()
    })
  }

  /** Show the links of whoever is signed in; nothing where nobody is. */
  async refresh() {
    const { state } = this.session
    if (state === 'open' || state === 'out') {
      $('links').hidden = true
      $('link-rows').replaceChildren()
      this.#open(false)
    }
    if (state === 'open' || !this.session.isValid) return
    try {
      const { links } = await (await this.#ask(this.url)).json()
      $('link-rows').replaceChildren(...links.map((link) => this.#row(link)))
      $('links').hidden = false
    } catch {
      // A server that has no links shows none; one that is away is told of beside the list.
    }
  }

  async #ask(url, options = {}) {
    const headers = { ...this.session.headers(), ...(options.body ? { 'Content-Type': 'application/json' } : {}) }
    const answer = await fetch(url, { cache: 'no-store', ...options, headers })
    if (answer.status === 401) this.session.refused(options.method ?? 'GET')
    if (!answer.ok) throw new Error(detail(await answer.text()) || `the server answers ${answer.status}`)
    return answer
  }

  #open(is) {
    const hadFocus = $('link-form').contains(document.activeElement)
    $('link-form').hidden = !is
    $('link-new').setAttribute('aria-expanded', is)
    this.#complain('')
    if (is) $('link-size').focus()
    else if (hadFocus) $('link-new').focus()
  }

  #complain(text) {
    $('link-error').textContent = text
    $('link-error').hidden = !text
  }

  async #make() {
    const wish = FIELDS.map(([name, id]) => [name, Number($(id).value)]).filter(([, value]) => value > 0)
    $('link-make').disabled = true
    try {
      const options = { method: 'POST', body: JSON.stringify(Object.fromEntries(wish)) }
      const link = await (await this.#ask(this.url, options)).json()
      const row = this.#row(link)
      $('link-rows').prepend(row)
      this.#open(false)
      await this.#copy(row)
    } catch (error) {
      this.#complain(`The link was not made: ${error.message}.`)
    }
    $('link-make').disabled = false
  }

  #row(link) {
    const row = $('link-row').content.firstElementChild.cloneNode(true)
    const part = (name) => row.querySelector(name)
    part('.name').href = new URL(link.upload_url, document.baseURI).href
    part('.name').textContent = part('.name').href.replace(/^https?:\/\//, '')
    part('.name').title = part('.name').href
    part('.meta').textContent = terms(link, Date.now())
    const ask = (is) => {
      row.classList.toggle('asking', is)
      part('.confirm').hidden = !is
      part(is ? '.no' : '.delete').focus()
    }
    part('.copy').addEventListener('click', () => this.#copy(row))
    part('.delete').addEventListener('click', () => ask(true))
    part('.no').addEventListener('click', () => ask(false))
    part('.confirm').addEventListener('keydown', (event) => event.key === 'Escape' && ask(false))
    part('.yes').addEventListener('click', () => this.#remove(link, row).catch(() => ask(false)))
    return row
  }

  async #copy(row) {
    const { href } = row.querySelector('.name')
    this.say((await copyText(href)) ? 'Link copied' : `Copy it by hand: ${href}`)
  }

  async #remove(link, row) {
    try {
      await this.#ask(`${this.url}/${link.link_id}`, { method: 'DELETE' })
    } catch (error) {
      this.say(`The link was not removed: ${error.message}`)
      throw error
    }
    const next = row.nextElementSibling ?? row.previousElementSibling
    row.remove()
    const heir = next?.querySelector('.delete') ?? $('link-new')
    heir.focus({ preventScroll: true })
    this.say('The link is removed')
  }
}
