// The page of one upload link: what it allows, for somebody without an account.

import { problem, terms } from './words.js'

const $ = (id) => document.getElementById(id)

/** Say what the link is for. Gives its facts, nothing where it takes no uploads any more. */
export async function welcome(endpoint) {
  $('title').textContent = 'Send your files.'
  $('side').hidden = true
  document.querySelector('main').classList.add('alone')
  const answer = await fetch(endpoint, { headers: { Accept: 'application/json' }, cache: 'no-store' })
  if (answer.status === 404) return refuse('It does not exist, or was taken back.')
  if (!answer.ok) return refuse(problem(await answer.text()) || `The server answers ${answer.status}.`)
  const link = await answer.json()
  if (link.expires_at && Date.parse(link.expires_at) <= Date.now()) return refuse('Its time is over.')
  $('lead').textContent =
    'Whoever gave you this link gets what you send here. ' +
    'Pause, reload, lose the network: every upload goes on from the last byte that arrived.'
  return link
}

/** What may be sent, for the note below the buttons. */
export function note(link) {
  const kinds = link.types.length > 0 ? link.types.join(', ') : 'Any kind of file'
  return [kinds, terms(link, Date.now())].filter(Boolean).join(' · ')
}

/** The restrictions for Uppy. How many files are left only the server knows: others may have the link too. */
export function restrictions(link, largest) {
  const sizes = [link.max_size, largest].filter((size) => size > 0)
  return {
    maxFileSize: sizes.length > 0 ? Math.min(...sizes) : null,
    allowedFileTypes: link.types.length > 0 ? link.types : null,
  }
}

function refuse(text) {
  $('title').textContent = 'This link is closed.'
  $('lead').textContent = `${text} Ask whoever gave it to you for another one.`
  for (const part of [$('drop'), $('endpoint').parentElement]) part.hidden = true
  return null
}
