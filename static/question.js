// The question before several uploads are deleted.

const NAMED = 4

const $ = (id) => document.getElementById(id)

/** Ask whether uploads of these names shall be deleted; gives a promise of the answer. */
export function confirmDeletion(names) {
  const dialog = $('question')
  const title = names.length === 1 ? 'Delete this upload?' : `Delete ${names.length} uploads?`
  $('question-title').textContent = title
  const rest = names.length - NAMED
  const shown = rest > 1 ? names.slice(0, NAMED) : names
  const lines = shown.map((name) => name || 'Unnamed file')
  if (rest > 1) lines.push(`and ${rest} more`)
  $('question-names').replaceChildren(
    ...lines.map((line) => {
      const element = document.createElement('li')
      element.textContent = line
      element.dir = 'auto'
      return element
    }),
  )
  return new Promise((resolve) => {
    const answer = (is) => () => {
      $('question-yes').onclick = $('question-no').onclick = dialog.onclose = null
      if (dialog.open) dialog.close()
      resolve(is)
    }
    $('question-yes').onclick = answer(true)
    $('question-no').onclick = dialog.onclose = answer(false)
    dialog.showModal()
    $('question-no').focus()
  })
}
