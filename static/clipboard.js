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
