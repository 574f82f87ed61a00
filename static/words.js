// Facts in the words people read. Pure: no page, no network, no clock of its own.

const UNITS = ['KB', 'MB', 'GB', 'TB', 'PB']
const SPANS = [
  [31536000, 'year'],
  [2592000, 'month'],
  [86400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
]
const KINDS = [
  ['image', /^image\//, /^(png|jpe?g|gif|webp|avif|heic|svg|bmp|tiff?)$/],
  ['media', /^(audio|video)\//, /^(mp[34]|m4[av]|mov|mkv|webm|wav|flac|ogg|avi)$/],
  ['archive', /(zip|tar|gzip|compressed|x-7z|x-rar)/, /^(zip|tar|t?gz|bz2|xz|7z|rar|zst|iso|dmg)$/],
  ['text', /^text\/|json|xml|pdf|document|sheet/, /^(txt|md|pdf|docx?|xlsx?|pptx?|odt|csv|json|xml|html?)$/],
]

/** A number of bytes as Uppy writes it: units of 1024, one decimal below ten. */
export function bytes(count) {
  if (count < 1024) return `${count} B`
  let amount = count / 1024
  let unit = 0
  while (amount >= 1023.95 && unit < UNITS.length - 1) {
    amount /= 1024
    unit += 1
  }
  return `${amount < 10 ? amount.toFixed(1).replace(/\.0$/, '') : Math.round(amount)} ${UNITS[unit]}`
}

/** A length of time in its largest unit, rounded: "6 days". */
function span(seconds) {
  for (const [length, name] of SPANS) {
    const count = Math.round(seconds / length)
    if (seconds >= length * 0.95) return `${count} ${name}${count === 1 ? '' : 's'}`
  }
  return 'under a minute'
}

/** The time that is left, short and no finer than it can be known: "25 s left". */
export function left(seconds) {
  if (seconds < 60) return `${Math.max(5, 5 * Math.ceil(seconds / 5))} s left`
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min left`
  return `${Math.ceil(seconds / 3600)} h left`
}

/** How long ago a time was: "3 minutes ago". Both times in milliseconds. */
export function ago(then, now) {
  const seconds = (now - then) / 1000
  return seconds < 45 ? 'just now' : `${span(seconds)} ago`
}

/** When something ends: "expires in 6 days"; nothing for what is kept. */
export function expiry(expiresAt, now) {
  if (!expiresAt) return ''
  const seconds = (Date.parse(expiresAt) - now) / 1000
  return seconds <= 0 ? 'expired' : `expires in ${span(seconds)}`
}

/** What an upload link allows: "up to 1 GB each · 2 of 10 files · expires in 6 days". */
export function terms(link, now) {
  const many = link.uploads === 1 ? '1 file' : `${link.uploads} files`
  const words = [
    link.max_size ? `up to ${bytes(link.max_size)} each` : '',
    link.max_uploads ? `${link.uploads} of ${link.max_uploads} files` : many,
    expiry(link.expires_at, now),
  ]
  return words.filter(Boolean).join(' · ')
}

/** The letters on a file's tile and its colour: what the name ends in, and a kind. */
export function kind(name, type) {
  const ending = /\.([A-Za-z0-9]{1,5})$/.exec(name ?? '')?.[1]?.toLowerCase() ?? ''
  const found = KINDS.find(([, types, endings]) => types.test(type ?? '') || endings.test(ending))
  return { letters: ending || 'file', kind: found?.[0] ?? 'other' }
}

/** The sentence a problem document (RFC 9457) holds, if the text is one. */
export function detail(text) {
  try {
    const problem = JSON.parse(text)
    return problem.detail || problem.title || ''
  } catch {
    return ''
  }
}

/** What a problem document says, with its title where that is not said in the sentence. */
export function problem(text) {
  try {
    const { title, detail: sentence } = JSON.parse(text)
    const words = [title, sentence === title ? '' : sentence].filter(Boolean).join(': ')
    return words && `${words}.`
  } catch {
    return ''
  }
}
