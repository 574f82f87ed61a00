// Addresses that the server tells, as this page can use them and as others can.

/**
 * The same path at the page's own origin. The page takes images from nowhere else, and a server behind a proxy may not
 * know by which name or scheme it is reached.
 */
export function here(url) {
  const { pathname, search } = new URL(url, document.baseURI)
  return location.origin + pathname + search
}

/** An address to hand on: another host is one that the server was told to be known by. */
export function forOthers(url) {
  const full = new URL(url, document.baseURI)
  return full.host === location.host ? here(full) : full.href
}
