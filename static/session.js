// Who uses the page, on servers that ask: the token that a password brought, and until when it counts.

import { problem } from './words.js'

// The password is asked for this long before the token ends, or a quarter of its time before where that is shorter.
const SOON = 60000 // milliseconds
// Under work the token is renewed before that, when so much of its time is left: in a hidden tab timers come late.
const RENEWAL = 1 / 3
const PAUSE = 5000 // between two attempts to renew it
const ANSWER = 200 // how long another tab may take to say who is signed in
const LONGEST_TIMER = 2 ** 31 - 1

/** A sign-in that the server does not take; the message is its own sentence. */
export class NotSignedIn extends Error {}

/**
 * `state` is "open" where nobody is asked, else "out", "in", "soon" (the token is about to end) or "ended".
 *
 * The token lies in sessionStorage: an upload goes on by itself after a reload, and nothing is left when the tab closes,
 * as it would be in localStorage. Other tabs of the same server are told through a channel that only they hear.
 */
export class Session {
  state = 'open'
  user = null // whose token it is; before that the name the server knows the browser by
  #kept = null // { user, token, time, until }; `isLast` once the server gives no other for it
  #isDead = false // bytes too were refused with this token
  #waiting = []
  #timer = 0
  #triedAt = 0
  #renewal = null
  #channel = null

  /**
   * `url` is the folder of token, renew, logout and me. `isBusy()` tells whether uploads wait or run; `onChange()` is
   * told when `state` has become another.
   */
  constructor(url, { isBusy, onChange }) {
    Object.assign(this, { url, isBusy, onChange, key: `tusserver:session ${url}` })
  }

  /** Find out whether this server asks, and who is there already. Tries again for as long as no answer comes. */
  async begin({ onReach }) {
    let told = null
    while (!told) {
      told = await this.#me()
      onReach(Boolean(told))
      if (!told) await new Promise((resolve) => setTimeout(resolve, 2000))
    }
    if (!told.required) return
    this.state = 'out'
    this.user = told.user
    this.#listen()
    const kept = this.#read() ?? (await this.#askTabs())
    if (kept) this.#keep(kept)
  }

  /** Sign in by a password. Raises NotSignedIn. */
  async signIn(username, password) {
    const askedAt = Date.now()
    const answer = await fetch(`${this.url}token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password, cookie: true }), // the cookie is for links and events
    }).catch(() => null)
    if (!answer) throw new NotSignedIn('The server does not answer.')
    if (!answer.ok) throw new NotSignedIn(problem(await answer.text()) || `The server answers ${answer.status}.`)
    const given = await answer.json()
    const named = await this.#me(given.access_token)
    this.#take(given, named?.user ?? username.trim(), askedAt)
  }

  /** Get another token before this one ends, if there is work that will need it, and the server gives one. */
  renew() {
    if (!this.#isDue || Date.now() - this.#triedAt < PAUSE) return
    this.#triedAt = Date.now()
    this.#renewal = this.#askForAnother(this.#kept)
  }

  async #askForAnother(kept) {
    const askedAt = Date.now()
    const answer = await fetch(`${this.url}renew`, { method: 'POST', headers: this.headers() }).catch(() => null)
    const given = answer?.ok && (await answer.json().catch(() => null))
    if (this.#kept !== kept) return // somebody has signed in or out meanwhile
    if (given) this.#take(given, kept.user, askedAt)
    else if ([401, 403, 404].includes(answer?.status)) {
      kept.isLast = true
      this.#store()
    }
    this.#tick()
  }

  get #isDue() {
    const left = this.#kept ? this.#kept.until - Date.now() : 0
    return left > 0 && left <= this.#kept.time * RENEWAL && !this.#kept.isLast && this.isBusy()
  }

  /** Use a token. Its time began at the earliest when it was asked for, and what is in it are whole seconds. */
  #take({ access_token: token, expires_in: seconds }, user, askedAt) {
    const time = 1000 * Math.max(seconds - 1, seconds / 2)
    this.#triedAt = 0
    this.#keep({ user, token, time, until: askedAt + time })
    this.#channel?.postMessage({ kept: this.#kept })
  }

  async signOut() {
    await this.#renewal // whose answer would bring the cookie back
    await fetch(`${this.url}logout`, { method: 'POST' }).catch(() => {})
    this.#channel?.postMessage({ isOut: true })
    this.#drop()
  }

  /** The header that says who asks; none where nobody is signed in. A token that has run out still counts for bytes. */
  headers() {
    return this.#kept ? { Authorization: `Bearer ${this.#kept.token}` } : {}
  }

  /** Whether a request may go now. Bytes need a token of their owner, however old; what is new needs a valid one. */
  allows(method) {
    if (this.state === 'open' || method === 'HEAD' || method === 'DELETE') return true
    return method === 'PATCH' ? Boolean(this.#kept) && !this.#isDead : this.isValid
  }

  get isValid() {
    return this.state === 'open' || (this.#kept !== null && Date.now() < this.#kept.until)
  }

  /** Wait until somebody has signed in. */
  signedIn() {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** The server has answered 401. */
  refused(method) {
    if (this.state === 'open' || !this.#kept) return
    if (method === 'PATCH') this.#isDead = true
    this.#kept.until = 0
    this.#store()
    this.#tick()
  }

  async #me(token = this.#read()?.token) {
    const headers = token ? { Authorization: `Bearer ${token}` } : {}
    try {
      const answer = await fetch(`${this.url}me`, { headers, cache: 'no-store' })
      if (answer.status === 404) return { required: false }
      return answer.ok ? await answer.json() : null
    } catch {
      return null
    }
  }

  #keep(kept) {
    this.#kept = kept
    this.#isDead = false
    this.user = kept.user
    this.#store()
    this.#tick()
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #drop() {
    this.#kept = null
    this.#waiting = []
    this.#store()
    this.#tick()
  }

  /** Say what the clock has made of the token, and look again when that changes. */
  #tick() {
    clearTimeout(this.#timer)
    this.renew()
    const kept = this.#kept
    const left = kept ? kept.until - Date.now() : 0
    const margin = Math.min(SOON, kept?.time / 4)
    const isSoon = left <= margin && !this.#isDue
    const state = !kept ? 'out' : left <= 0 ? 'ended' : isSoon ? 'soon' : 'in'
    if (left > 0) {
      const waits = [left - kept.time * RENEWAL, left - margin, left, this.#isDue ? PAUSE : left]
      this.#timer = setTimeout(() => this.#tick(), Math.min(...waits.filter((wait) => wait > 0), LONGEST_TIMER) + 10)
    }
    if (state === this.state) return
    this.state = state
    this.onChange()
  }

  #store() {
    try {
      if (this.#kept) sessionStorage.setItem(this.key, JSON.stringify(this.#kept))
      else sessionStorage.removeItem(this.key)
    } catch {
      // Without a storage the password is asked for after a reload.
    }
  }

  #read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.key))
    } catch {
      return null
    }
  }

  #listen() {
    this.#channel = new BroadcastChannel(this.key)
    this.#channel.addEventListener('message', ({ data }) => {
      if (data.isAsking && this.isValid) this.#channel.postMessage({ kept: this.#kept })
      if (data.isOut && this.#kept) this.#drop()
      const isNewer = data.kept && data.kept.until > (this.#kept?.until ?? 0)
      if (isNewer && (!this.#kept || this.#kept.user === data.kept.user)) this.#keep(data.kept)
    })
    // Timers stand still while a machine sleeps.
    document.addEventListener('visibilitychange', () => document.hidden || this.#tick())
  }

  /** What another tab has; a tab that is opened has no storage of its own yet. */
  #askTabs() {
    this.#channel.postMessage({ isAsking: true })
    return new Promise((resolve) => {
      this.#channel.addEventListener('message', ({ data }) => data.kept && resolve(data.kept))
      setTimeout(() => resolve(null), ANSWER)
    })
  }
}
