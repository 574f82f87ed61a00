// How fast bytes go, from what was seen in the last seconds.

const WINDOW = 6000 // milliseconds
const ENOUGH = 1500

export class Pace {
  #last = new Map() // by file: how many bytes of it had gone
  #seen = [] // [time, bytes] of each step

  /** Note how many bytes of a file have gone. The first note of a file only tells where it goes on from. */
  note(file, count, now) {
    const before = this.#last.get(file)
    this.#last.set(file, count)
    if (before !== undefined && count > before) this.#seen.push([now, count - before])
  }

  /** The bytes in a second; nothing while too little was seen to say. */
  rate(now) {
    this.#seen = this.#seen.filter(([time]) => now - time < WINDOW)
    const elapsed = now - (this.#seen[0]?.[0] ?? now)
    if (elapsed < ENOUGH) return null
    // The first step's bytes went before the time that is measured.
    const count = this.#seen.slice(1).reduce((sum, [, step]) => sum + step, 0)
    return count > 0 ? (1000 * count) / elapsed : null
  }
}
