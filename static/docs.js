// The routes in Swagger UI, to be tried out against this server.
import { load, prefersDark, tell } from './api.js'

function dress() {
  document.documentElement.classList.toggle('dark-mode', prefersDark.matches)
}

dress()
prefersDark.addEventListener('change', dress)
try {
  window.SwaggerUIBundle({
    spec: await load(),
    dom_id: '#api',
    deepLinking: true,
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    validatorUrl: null,
  })
} catch (error) {
  tell(error)
}
