/**
 * Files of ECG carts, told by how they begin: they need no ticking, unlike what may be anything.
 *
 * DICOM waveforms too, so that a whole recording goes one way. What a file really holds is the gateway's to judge. They
 * go by `POST /api/v1/examinations` of docs/http.md, a WFDB header together with its signals.
 */
import type { Found } from './files'
import { otherParcel } from './others'
import type { Parcel } from './sender'

/** 12-lead, general, ambulatory and 32-bit ECG (PS3.4 B.5), all waveforms beneath this one. */
const ECG_WAVEFORMS = '1.2.840.10008.5.1.4.1.1.9.1.'
const ROOTS = /<(?:\w+:)?(?:AnnotatedECG|RestingECG|restingecgdata|sierra|CardiologyXML|ECG)[\s>]/i
const SIGNALS = /\.(dat|mat|xyz|atr|qrs)$/i
const HEADER = /^[^\s#/]+(\/\d+)? +\d+( |\r?\n|$)/m // record name and number of signals
const BATCH_FILES = 40
const BATCH_BYTES = 16 << 20

export const isEcgClass = (sopClassUid: string): boolean => sopClassUid.startsWith(ECG_WAVEFORMS)

/** Whether a file that is no DICOM begins as an ECG file does. */
export function beginsAsEcg(path: string, head: Uint8Array): boolean {
  const text = latin1(head.subarray(0, 8192))
  if (text.slice(16, 22) === 'SCPECG') return true // EN 1064 5.3: the pointer section names itself
  if (/^(ISHNE1\.0|ANN {2}1\.0|0 {7}|\xffBIOSEMI|@ MFR )/.test(text)) return true
  if (/\.hea$/i.test(path)) return HEADER.test(text)
  return ROOTS.test(text.replaceAll('\0', '')) // of UTF-16 too
}

/** Files that are nothing by themselves and lie beside a header of the same name. */
export function isSignalOf(path: string, headers: ReadonlySet<string>): boolean {
  return SIGNALS.test(path) && headers.has(stem(path))
}

export const stem = (path: string): string => path.replace(/\.[^./]*$/, '').toLowerCase()

/** In requests of some files; what belongs together goes together, and no request has a name twice. */
export function ecgParcels(files: readonly Found[], chestPain: boolean): Parcel[] {
  const entries = new Map<string, Found[]>()
  for (const one of files) {
    const key = /\.hea$/i.test(one.path) || SIGNALS.test(one.path) ? stem(one.path) : one.path
    entries.set(key, [...(entries.get(key) ?? []), one])
  }
  const batches: Found[][] = []
  let batch: Found[] = []
  for (const entry of entries.values()) {
    const names = new Set(batch.map((one) => one.file.name))
    const full = batch.length + entry.length > BATCH_FILES || size([...batch, ...entry]) > BATCH_BYTES
    if (batch.length && (full || entry.some((one) => names.has(one.file.name)))) {
      batches.push(batch)
      batch = []
    }
    batch.push(...entry)
  }
  if (batch.length) batches.push(batch)
  return batches.map((one) => otherParcel(one, { kind: 'ecg', accession: '', chestPain }))
}

const size = (files: readonly Found[]): number => files.reduce((sum, one) => sum + one.file.size, 0)

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (code) => String.fromCharCode(code)).join('')
}
