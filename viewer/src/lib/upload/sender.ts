/**
 * Sends files in requests of bounded size, several in flight, tried again when the line drops.
 *
 * What a request was answered for is never sent again. A request that went unanswered is: the gateway knows what it has.
 */
import { headers, type Problem, problemOf } from '@/api/client'
import type { Found } from './files'

const IN_FLIGHT = 3
const LONGEST_WAIT_S = 30
const PASSING = new Set([0, 408, 429, 502, 503, 504])
const ABOUT_ITS_FILES = new Set([400, 413, 422])

export interface Accepted {
  item: Found
  /** Its examination, where the answer names it. */
  examinationId?: string
}
export interface Refused {
  item: Found
  /** The failure reason of PS3.18 I.2.2 (`A900`), or empty where `detail` says it. */
  code: string
  detail: string
}
export interface Outcome {
  accepted: Accepted[]
  refused: Refused[]
}

/** Files that go in one request, and how its answer is read; null: that is no answer about the files. */
export interface Parcel {
  files: readonly Found[]
  path: string
  headers: Record<string, string>
  body: () => Blob | FormData
  read: (status: number, text: string) => Outcome | null
}

export interface Progress {
  onBytes: (bytes: number) => void
  onOutcome: (outcome: Outcome) => void
  /** A request could not be made, and is made again at this time (ms); null once one went through. */
  onWaiting: (until: number | null) => void
}

/** Sends all of them. Rejects with a Problem that a person must see to; what is left may be sent by another call. */
export async function send(parcels: readonly Parcel[], progress: Progress, signal: AbortSignal): Promise<void> {
  const waiting = [...parcels]
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const work = async () => {
    for (let parcel = waiting.shift(); parcel && !either.aborted; parcel = waiting.shift()) await deliver(parcel, progress, either)
  }
  try {
    await Promise.all(Array.from({ length: IN_FLIGHT }, work))
  } catch (problem) {
    stop.abort()
    throw problem
  }
}

async function deliver(parcel: Parcel, progress: Progress, signal: AbortSignal): Promise<void> {
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      const outcome = await post(parcel, progress.onBytes, signal)
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

function post(parcel: Parcel, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<Outcome> {
  const size = parcel.files.reduce((sum, item) => sum + item.file.size, 0)
  let counted = 0
  const count = (now: number) => {
    onBytes(now - counted)
    counted = now
  }
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest() // fetch cannot say how much has gone
    const fail = (status: number) => {
      count(0)
      reject(problemOf(status, request.getResponseHeader('Retry-After'), status ? request.responseText : '', `POST ${parcel.path}`))
    }
    const abort = () => request.abort()
    request.open('POST', parcel.path)
    for (const [name, value] of Object.entries({ ...headers('POST'), ...parcel.headers })) request.setRequestHeader(name, value)
    request.upload.onprogress = (event) => count(Math.min(size, event.loaded))
    request.onerror = () => fail(0)
    request.onabort = () => fail(0)
    request.onload = () => {
      const outcome = parcel.read(request.status, request.responseText) ?? refusedWhole(parcel.files, request.status, request.responseText)
      if (outcome === null) return fail(request.status)
      count(size)
      resolve(outcome)
    }
    request.onloadend = () => signal.removeEventListener('abort', abort)
    signal.addEventListener('abort', abort)
    request.send(parcel.body())
  })
}

/** A request that was refused as a whole for what is in it: each of its files was. Null: that is no such answer. */
export function refusedWhole(files: readonly Found[], status: number, text: string): Outcome | null {
  if (!ABOUT_ITS_FILES.has(status)) return null
  const problem = problemOf(status, null, text, '')
  const detail = problem.detail || problem.errors[0]?.message || problem.title
  return { accepted: [], refused: files.map((item) => ({ item, code: '', detail })) }
}
