/** DICOM files as requests of STOW-RS (PS3.18 10.5), and what the answers say of each file. */
import type { Outcome, Parcel } from './sender'
import type { Item } from './sorting'

const BATCH_BYTES = 8 << 20
const BATCH_FILES = 64
const [FAILED, REFERENCED, OTHERS, REASON, INSTANCE] = ['00081198', '00081199', '0008119A', '00081197', '00081155'] as const

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

export function stowParcel(batch: Item[]): Parcel {
  const boundary = `part-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`
  const parts = batch.flatMap((item) => [`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`, item.file, '\r\n'])
  return {
    files: batch,
    path: '/dicomweb/studies',
    headers: { Accept: 'application/dicom+json', 'Content-Type': `multipart/related; type="application/dicom"; boundary=${boundary}` },
    body: () => new Blob([...parts, `--${boundary}--\r\n`]),
    read: (status, text) => ([200, 202, 409].includes(status) ? readOutcome(batch, text) : null),
  }
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
    if (stored.has(uid)) outcome.accepted.push({ item })
    else outcome.refused.push({ item, code: hex(failed.get(uid) ?? others.shift()), detail: '' })
  }
  return outcome
}

function hex(code: string | number | undefined): string {
  return typeof code === 'number' ? code.toString(16).toUpperCase().padStart(4, '0') : ''
}
