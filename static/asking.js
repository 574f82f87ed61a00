// Requests to this server, and what it says when it says no.

import { detail } from './words.js'

/** An answer that says no; the message is a sentence for people. */
export class Refused extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** One request. Raises Refused for an answer that says no, and what fetch raises where none comes. */
export async function ask(url, options = {}) {
  const answer = await fetch(url, { cache: 'no-store', ...options })
  if (!answer.ok) throw new Refused(answer.status, detail(await answer.text()) || `the server answers ${answer.status}`)
  return answer
}

/** Delete what is at an address; what is not there any more is deleted. `session` says who asks. */
export async function erase(url, session, headers = {}) {
  try {
    await ask(url, { method: 'DELETE', headers: { ...headers, ...session.headers() } })
  } catch (error) {
    if (error.status === 401) session.refused('DELETE')
    if (error.status !== 404 && error.status !== 410) throw error
  }
}

/** Why a request came to nothing, for the middle of a sentence. */
export function reason(error) {
  return error instanceof Refused ? error.message : 'the server does not answer'
}
