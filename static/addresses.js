// Addresses that the server tells, as this page can use them and as others can.

/**
 * The same path at the page's own origin. The page takes images from nowhere else, and a server behind a proxy may not
 * know by which name or scheme it is reached.
 */
export function here(url) {
  const { pathname, search } = new URL(url, document.baseURI)
  return location.origin + pathname + search
}

/** The address of an image or of what is made of it. A name may be another image's later; a browser keeps both apart. */
export function picture(url, id, wish = '') {
  const address = new URL(here(url))
  for (const [name, value] of new URLSearchParams(wish)) address.searchParams.set(name, value)
  address.searchParams.set('v', id.slice(0, 6))
  return address.href
}

/** An address to hand on: another host is one that the server was told to be known by. */
export function forOthers(url) {
  const full = new URL(url, document.baseURI)
  return full.host === location.host ? here(full) : full.href
}
