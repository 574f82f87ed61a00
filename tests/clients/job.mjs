// A script gets its job as one JSON value on the first line of standard input, and tells events as JSON values, one a
// line, on standard output; the last line is its result. See node.py.
import { readSync } from 'node:fs'
import { createInterface } from 'node:readline'

function firstLine() {
  const byte = Buffer.alloc(1)
  const line = []
  while (readSync(0, byte, 0, 1, null) === 1 && byte[0] !== 10) line.push(byte[0])
  return Buffer.from(line).toString('utf8')
}

export const job = JSON.parse(firstLine())

export function tell(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

/** The further lines of standard input, one JSON value each, for a script that is led step by step. */
export async function* steps() {
  for await (const line of createInterface({ input: process.stdin })) yield JSON.parse(line)
}
