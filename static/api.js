// What both pages of the API need.

/** The document of this server. */
export async function load() {
  const answer = await fetch('openapi.json')
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`)
  return answer.json()
}

export const prefersDark = matchMedia('(prefers-color-scheme: dark)')

export function tell(error) {
  const told = document.createElement('p')
  told.className = 'api-failure'
  told.setAttribute('role', 'alert')
  told.textContent = `The API cannot be shown: ${error.message}`
  document.getElementById('api').replaceChildren(told)
}
