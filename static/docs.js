// The routes in Swagger UI, to be tried out against this server.
import { load, prefersDark, tell } from './api.js'

function dress() {
  document.documentElement.classList.toggle('dark-mode', prefersDark.matches)
}

/** Where this page came from, whatever proxies are between: no other address may be asked from here. */
function here() {
  const { origin, pathname } = new URL('.', location.href)
  return origin + pathname.replace(/\/$/, '')
}

dress()
prefersDark.addEventListener('change', dress)
try {
  window.SwaggerUIBundle({
    spec: { ...(await load()), servers: [{ url: here() }] },
    dom_id: '#api',
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    validatorUrl: null,
  })
} catch (error) {
  tell(error)
}
