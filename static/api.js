// What both pages of the API need: the document of this server, and the word of what went wrong.

/** The document, for requests that go where the page came from, whatever proxy is between: its policy lets no other. */
export async function load() {
  const answer = await fetch('openapi.json')
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`)
  const described = await answer.json()
  const { origin, pathname } = new URL('.', location.href)
  described.servers = [{ url: origin + pathname.replace(/\/$/, '') }]
  return described
}

export const prefersDark = matchMedia('(prefers-color-scheme: dark)')

export function tell(error) {
  const told = document.createElement('p')
  told.className = 'api-failure'
  told.setAttribute('role', 'alert')
  told.textContent = `The API cannot be shown: ${error.message}`
  document.getElementById('api').replaceChildren(told)
}
