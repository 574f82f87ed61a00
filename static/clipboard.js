// Text for other programs to paste.

/** Put text on the clipboard; tells whether it is there. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    // Outside https and localhost the page has no clipboard of its own; a selected text field still copies.
    const field = document.createElement('textarea')
    field.value = text
    field.className = 'sprite'
    document.body.append(field)
    field.select()
    const copied = document.execCommand('copy')
    field.remove()
    return copied
  }
}

/**
 * Put the links of uploads on the clipboard; tells whether they are there, and says so.
 *
 * `entries` have a `link` each, and `isPublic` where it opens for everybody.
 */
export async function copyLinks(entries, session, say) {
  const links = entries.map((entry) => entry.link)
  const copied = await copyText(links.join('\n'))
  say(copied ? linkWords(entries, session) : `Copy it by hand: ${links[0]}`)
  return copied
}

function linkWords(entries, session) {
  const count = entries.length
  const closed = session.state === 'open' ? 0 : entries.filter((entry) => !entry.isPublic).length
  const what = count === 1 ? 'Link copied' : `${count} links copied`
  if (closed === 0) return what
  if (closed < count) return `${what}. Those of images open for everybody, the others only where you are signed in.`
  return `${what}. ${count === 1 ? 'It opens' : 'They open'} only where you are signed in.`
}
