// What the page takes from npm; assets.py bundles it to vendor/uppy.js and vendor/uppy.css.
// The ready bundle of the package `uppy` holds every plugin and is twice the size.
import '@uppy/core/css/style.min.css'
import '@uppy/dashboard/css/style.min.css'

export { default as Uppy } from '@uppy/core'
export { default as Dashboard } from '@uppy/dashboard'
export { default as GoldenRetriever } from '@uppy/golden-retriever'
export { default as Tus } from '@uppy/tus'
