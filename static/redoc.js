// The routes in ReDoc, to be read.
import { load, prefersDark, tell } from './api.js'

const SANS = "ui-sans-serif, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', Arial, sans-serif"
const MONO = "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'Liberation Mono', monospace"
const LIGHT = { ink: '#0f1d17', soft: '#56655d', rule: '#d5ddd5', sunken: '#f1f4ef', accent: '#0b7a4b', bad: '#b3261e' }
const DARK = { ink: '#e7f0ea', soft: '#93a69b', rule: '#26352d', sunken: '#0f1814', accent: '#7fe0a6', bad: '#ff8a80' }

function theme({ ink, soft, rule, sunken, accent, bad }) {
  const good = { color: accent, backgroundColor: sunken, tabTextColor: '#7fe0a6' }
  const failed = { color: bad, backgroundColor: sunken, tabTextColor: '#ff8a80' }
  return {
    colors: {
      primary: { main: accent },
      success: { main: accent },
      error: { main: bad },
      text: { primary: ink, secondary: soft },
      border: { dark: rule, light: rule },
      gray: { 50: sunken, 100: rule },
      responses: { success: good, error: failed, redirect: { ...good, color: soft }, info: { ...good, color: soft } },
    },
    schema: { linesColor: rule, typeNameColor: soft, typeTitleColor: soft, nestedBackground: sunken },
    typography: {
      fontFamily: SANS,
      headings: { fontFamily: SANS, fontWeight: '600' },
      code: { fontFamily: MONO, color: ink, backgroundColor: sunken },
      links: { color: accent, visited: accent, hover: ink },
    },
    sidebar: { backgroundColor: sunken, textColor: ink, activeTextColor: accent, arrow: { color: soft } },
    rightPanel: { backgroundColor: '#0c1411', textColor: '#e7f0ea' },
    codeBlock: { backgroundColor: '#131e19' },
  }
}

prefersDark.addEventListener('change', () => location.reload())
try {
  const options = { theme: theme(prefersDark.matches ? DARK : LIGHT), hideDownloadButton: true, nativeScrollbars: true }
  window.Redoc.init(await load(), options, document.getElementById('api'), (error) => error && tell(error))
} catch (error) {
  tell(error)
}
