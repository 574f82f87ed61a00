// A script gets its job as one JSON value on standard input, and tells events as JSON values, one a line, on standard
// output; the last line is its result. See node.py.
import { readFileSync } from 'node:fs'

export const job = JSON.parse(readFileSync(0, 'utf8'))

export function tell(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}
