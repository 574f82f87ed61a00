// Images that have just arrived: the server looks at their bytes after it has answered, and then tells where they may
// be seen. The page looks again until it does, ever more rarely, and not for ever: not all that is said to be one is.

const FIRST = 300 // milliseconds
const GROWTH = 1.6
const PATIENCE = 15000

export class Arrivals {
  #due = new Map() // by id: until when it is waited for
  #pause = FIRST
  #timer = 0

  /** `look()` asks the server again, and gives a promise; what has come is told by `seen`. */
  constructor(look) {
    this.look = look
  }

  /** An upload that should turn out to be an image is complete. */
  expect(id) {
    if (this.#due.has(id)) return
    this.#due.set(id, Date.now() + PATIENCE)
    this.#pause = FIRST
    this.#plan()
  }

  /** The server has told where it may be seen. */
  seen(id) {
    this.#due.delete(id)
  }

  #plan() {
    clearTimeout(this.#timer)
    for (const [id, until] of this.#due) if (until < Date.now()) this.#due.delete(id)
    if (this.#due.size > 0) this.#timer = setTimeout(() => this.#look(), this.#pause)
  }

  async #look() {
    this.#pause *= GROWTH
    await this.look()
    this.#plan()
  }
}
