// The routes in ReDoc, to be read.
import { load, prefersDark, tell } from './api.js'

try {
  window.Redoc.init(await load(), { nativeScrollbars: true }, document.getElementById('api'), (error) => {
    if (error) tell(error)
  })
} catch (error) {
  tell(error)
}
