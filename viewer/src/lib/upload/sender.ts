/**
 * Sends files by STOW-RS (PS3.18 10.5): several requests of bounded size in flight, tried again when the line drops.
 *
 * What a request was answered for is never sent again. A request that went unanswered is: the gateway knows what it has.
 */
import { headers, type Problem, problemOf } from '@/api/client'
import type { Item } from './sorting'

const BATCH_BYTES = 8 << 20
const BATCH_FILES = 64
const IN_FLIGHT = 3
const LONGEST_WAIT_S = 30
const PASSING = new Set([0, 408, 429, 502, 503, 504])
const [FAILED, REFERENCED, OTHERS, REASON, INSTANCE] = ['00081198', '00081199', '0008119A', '00081197', '00081155'] as const

export interface Refused {
  item: Item
  /** The failure reason of PS3.18 I.2.2 (`A900`), or empty where `detail` says it. */
  code: string
  detail: string
}
export interface Outcome {
  accepted: Item[]
  refused: Refused[]
}
export interface Progress {
  onBytes: (bytes: number) => void
  onOutcome: (outcome: Outcome) => void
  /** A request could not be made, and is made again at this time (ms); null once one went through. */
  onWaiting: (until: number | null) => void
}

type Sequence = { Value?: Record<string, { Value?: (string | number)[] }>[] }
type Module = Record<string, Sequence | undefined>

/** Files as they are sent together: up to so many bytes, and each SOP instance once, so that answers can be told apart. */
export function batches(items: readonly Item[]): Item[][] {
  const all: Item[][] = []
  let batch: Item[] = []
  let bytes = 0
  const uids = new Set<string>()
  for (const item of items) {
    const uid = item.header.sopInstanceUid
    if (batch.length && (bytes + item.file.size > BATCH_BYTES || batch.length >= BATCH_FILES || uids.has(uid) || uid === '')) {
      all.push(batch)
      batch = []
      bytes = 0
      uids.clear()
    }
    batch.push(item)
    bytes += item.file.size
    uids.add(uid)
  }
  return batch.length ? [...all, batch] : all
}

/** Sends all of them. Rejects with a Problem that a person must see to; what is left may be sent by another call. */
export async function send(items: readonly Item[], progress: Progress, signal: AbortSignal): Promise<void> {
  const waiting = batches(items)
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const work = async () => {
    for (let batch = waiting.shift(); batch && !either.aborted; batch = waiting.shift()) await deliver(batch, progress, either)
  }
  try {
    await Promise.all(Array.from({ length: IN_FLIGHT }, work))
  } catch (problem) {
    stop.abort()
    throw problem
  }
}

async function deliver(batch: Item[], progress: Progress, signal: AbortSignal): Promise<void> {
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      const outcome = await post(batch, progress.onBytes, signal)
      progress.onWaiting(null)
      progress.onOutcome(outcome)
      return
    } catch (error) {
      const problem = error as Problem
      if (signal.aborted) return
      if (!PASSING.has(problem.status)) throw problem
      const seconds = Math.max(problem.retryAfter ?? 0, Math.min(2 ** tries, LONGEST_WAIT_S))
      progress.onWaiting(Date.now() + seconds * 1000)
      await pause(seconds * 1000, signal)
    }
  }
}

/** Waits; no longer than until the line is said to be back. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      window.removeEventListener('online', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    window.addEventListener('online', done)
    signal.addEventListener('abort', done)
  })
}

function post(batch: Item[], onBytes: (bytes: number) => void, signal: AbortSignal): Promise<Outcome> {
  const boundary = `part-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`
  const parts = batch.flatMap((item) => [`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`, item.file, '\r\n'])
  const size = batch.reduce((sum, item) => sum + item.file.size, 0)
  let counted = 0
  const count = (now: number) => {
    onBytes(now - counted)
    counted = now
  }
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest() // fetch cannot say how much has gone
    const fail = (status: number) => {
      count(0)
      reject(problemOf(status, request.getResponseHeader('Retry-After'), status ? request.responseText : '', 'POST /dicomweb/studies'))
    }
    const abort = () => request.abort()
    request.open('POST', '/dicomweb/studies')
    for (const [name, value] of Object.entries(headers('POST'))) request.setRequestHeader(name, value)
    request.setRequestHeader('Accept', 'application/dicom+json')
    request.setRequestHeader('Content-Type', `multipart/related; type="application/dicom"; boundary=${boundary}`)
    request.upload.onprogress = (event) => count(Math.min(size, event.loaded))
    request.onerror = () => fail(0)
    request.onabort = () => fail(0)
    request.onload = () => {
      const outcome = [200, 202, 409].includes(request.status) ? readOutcome(batch, request.responseText) : refusedWhole(batch, request)
      if (outcome === null) return fail(request.status)
      count(size)
      resolve(outcome)
    }
    request.onloadend = () => signal.removeEventListener('abort', abort)
    signal.addEventListener('abort', abort)
    request.send(new Blob([...parts, `--${boundary}--\r\n`]))
  })
}

/** A request that was refused as a whole for what is in it: each of its files was. Null: that is no such answer. */
function refusedWhole(batch: Item[], request: XMLHttpRequest): Outcome | null {
  if (![400, 413].includes(request.status)) return null
  const { detail } = problemOf(request.status, null, request.responseText, '')
  return { accepted: [], refused: batch.map((item) => ({ item, code: '', detail })) }
}

/** Which of the files the Store Instances Response Module says were stored (PS3.18 I.1). */
export function readOutcome(batch: readonly Item[], text: string): Outcome | null {
  let module: Module
  try {
    module = JSON.parse(text) as Module
  } catch {
    return null
  }
  const of = (tag: string) => module[tag]?.Value ?? []
  const stored = new Set(of(REFERENCED).map((one) => one[INSTANCE]?.Value?.[0]))
  const failed = new Map(of(FAILED).map((one) => [one[INSTANCE]?.Value?.[0], one[REASON]?.Value?.[0]]))
  const others = of(OTHERS).map((one) => one[REASON]?.Value?.[0])
  const outcome: Outcome = { accepted: [], refused: [] }
  for (const item of batch) {
    const uid = item.header.sopInstanceUid
    if (stored.has(uid)) outcome.accepted.push(item)
    else outcome.refused.push({ item, code: hex(failed.get(uid) ?? others.shift()), detail: '' })
  }
  return outcome
}

function hex(code: string | number | undefined): string {
  return typeof code === 'number' ? code.toString(16).toUpperCase().padStart(4, '0') : ''
}
