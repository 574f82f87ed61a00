// One upload by tus-js-client. The job:
//   endpoint, path   where to, and what
//   source           'file' (default), 'buffer', or 'stream', whose length and name the client cannot know
//   options          options of tus.Upload
//   storage          the file of a FileUrlStorage; when it knows the file, the upload goes on from there
//   abortAt          abort at so many bytes; with `terminate`, delete what is on the server too
// It tells {sent} as bytes go, and {result} at the end: {url, error, aborted, requests: [{method, url, status, offset}]}.
import { createReadStream, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import tus from 'tus-js-client'
import { job, tell } from './job.mjs'

const SOURCES = {
  file: () => createReadStream(job.path),
  buffer: () => readFileSync(job.path),
  stream: () => createReadStream(job.path).pipe(new PassThrough()),
}

const requests = []
let aborted = false

function end(facts) {
  tell({ result: { url: upload.url, aborted, requests, ...facts } })
  // A request that was refused in the middle of its body would keep the process until the server closes its connection.
  process.exit()
}

async function progress(sent) {
  if (aborted) return
  tell({ sent })
  if (job.abortAt === undefined || sent < job.abortAt) return
  aborted = true
  await upload.abort(job.terminate ?? false)
  end()
}

const upload = new tus.Upload(SOURCES[job.source ?? 'file'](), {
  endpoint: job.endpoint,
  ...job.options,
  ...(job.storage && { urlStorage: new tus.FileUrlStorage(job.storage) }),
  onBeforeRequest(request) {
    const offset = request.getHeader('Upload-Offset')
    requests.push({ request, method: request.getMethod(), url: request.getURL(), offset, toJSON })
  },
  onAfterResponse(request, response) {
    requests.find((known) => known.request === request).status = response.getStatus()
  },
  onProgress: progress,
  onSuccess: () => end(),
  onError: (error) => end({ error: error.message }),
})

function toJSON() {
  const { request, ...facts } = this
  return facts
}

if (job.storage) {
  const [previous] = await upload.findPreviousUploads()
  if (previous) upload.resumeFromPreviousUpload(previous)
}
upload.start()
