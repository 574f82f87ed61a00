// How far uploads from elsewhere are, told by the server while it happens.

// A browser opens six connections to a host, for all its tabs together, and a stream holds one for as long as it lasts.
const STREAMS = 2
const SULK = 60000 // milliseconds that an upload is only asked for now and then, after its stream failed

const ENDED = ['complete', 'failed', 'gone']

export class Streams {
  #open = new Map() // by address of the upload
  #failedAt = new Map()

  /** `statusUrl` is the address of /status. `onEvent(url, told)` gets each state; `onEnd()`, a stream is over. */
  constructor({ statusUrl, onEvent, onEnd }) {
    Object.assign(this, { statusUrl, onEvent, onEnd })
  }

  /** Follow the first of these uploads, as many as there is room for beside `busy` connections; leave all others. */
  follow(items, busy) {
    const room = Math.max(0, Math.min(STREAMS, 4 - busy))
    const now = Date.now()
    const names = new Set()
    const wanted = items.filter(({ upload_url: url, filename }) => {
      // A stream is asked for by name, and a name stands for the newest upload that has it.
      const isFirst = filename && !names.has(filename)
      names.add(filename)
      return isFirst && now - (this.#failedAt.get(url) ?? 0) > SULK
    })
    const chosen = new Map(wanted.slice(0, room).map((item) => [item.upload_url, item]))
    for (const url of this.#open.keys()) if (!chosen.has(url)) this.#close(url)
    for (const [url, item] of chosen) if (!this.#open.has(url)) this.#start(url, item.filename)
  }

  /** The upload is followed: nobody need ask for it. */
  has(url) {
    return this.#open.has(url)
  }

  #start(url, filename) {
    const path = filename.split('/').map(encodeURIComponent).join('/')
    const source = new EventSource(`${this.statusUrl}/${path}`)
    this.#open.set(url, source)
    source.addEventListener('message', ({ data }) => {
      const told = JSON.parse(data)
      if (new URL(told.upload_url, document.baseURI).href !== url) return this.#fail(url)
      if (ENDED.includes(told.status)) this.#close(url)
      this.onEvent(url, told)
      return undefined
    })
    source.addEventListener('error', () => this.#fail(url))
  }

  #fail(url) {
    this.#failedAt.set(url, Date.now())
    this.#close(url)
    this.onEnd()
  }

  #close(url) {
    this.#open.get(url)?.close()
    this.#open.delete(url)
  }
}
