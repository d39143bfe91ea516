/** What of a pile of files is to be sent, whose it is, and what is left out and why. */
import { beginsAsEcg, isEcgClass, isSignalOf, stem } from './ecg'
import type { Found } from './files'
import { mayBeExamination } from './others'
import { DICOMDIR, HEAD_BYTES, type Header, readHeader } from './header'

export type SkipReason = 'notDicom' | 'dicomdir' | 'empty' | 'unreadable' | 'twice' | 'notTicked'

export interface Item extends Found {
  header: Header
}
export interface Skipped {
  path: string
  reason: SkipReason
}
/** What a pile was found to be: images, ECG files, what else may be an examination, and what is left out. */
export interface Sorted {
  items: Item[]
  ecgs: Found[]
  others: Found[]
  skipped: Skipped[]
}
export interface StudyGroup {
  uid: string
  date: string
  modalities: string[]
  description: string
  items: Item[]
  bytes: number
}
export interface PatientGroup {
  key: string
  name: string
  id: string
  sex: string
  birthDate: string
  studies: StudyGroup[]
  files: number
  bytes: number
}

const AT_ONCE = 8

interface Ecg extends Found {
  ecg: true
}
type Judged = Item | Ecg | Found | Skipped

/** Look into each file. `onRead` hears how many were read; a signal that is aborted ends it early. */
export async function sort(found: readonly Found[], onRead: (n: number) => void, signal: AbortSignal): Promise<Sorted> {
  const judged: Judged[] = new Array(found.length)
  let next = 0
  let read = 0
  const work = async () => {
    while (next < found.length && !signal.aborted) {
      const place = next++
      judged[place] = await judge(found[place]!)
      onRead((read += 1))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return apart(judged.filter(Boolean))
}

async function judge(one: Found): Promise<Judged> {
  if (one.file.size === 0) return { path: one.path, reason: 'empty' }
  try {
    const head = new Uint8Array(await one.file.slice(0, HEAD_BYTES).arrayBuffer())
    const header = readHeader(head)
    if (header === null ? beginsAsEcg(one.path, head) : isEcgClass(header.sopClassUid)) return { ...one, ecg: true }
    if (header === null) return mayBeExamination(one.path) ? one : { path: one.path, reason: 'notDicom' }
    return header.sopClassUid === DICOMDIR ? { path: one.path, reason: 'dicomdir' } : { ...one, header }
  } catch {
    return { path: one.path, reason: 'unreadable' } // a scratched disc, or a file that was removed meanwhile
  }
}

/** The same file of two folders is sent once; files that differ in size are both sent, the gateway compares them. */
function apart(judged: readonly Judged[]): Sorted {
  const items: Item[] = []
  const ecgs: Found[] = []
  const others: Found[] = []
  const skipped: Skipped[] = []
  const seen = new Set<string>()
  const headers = new Set(judged.filter((one) => 'ecg' in one && /\.hea$/i.test(one.path)).map((one) => stem(one.path)))
  for (const one of judged) {
    if ('reason' in one) {
      skipped.push(one)
      continue
    }
    if ('ecg' in one || (isSignalOf(one.path, headers) && !('header' in one))) {
      ecgs.push({ file: one.file, path: one.path })
      continue
    }
    if (!('header' in one)) {
      others.push(one)
      continue
    }
    const key = `${one.header.sopInstanceUid} ${one.file.size}`
    if (one.header.sopInstanceUid && seen.has(key)) skipped.push({ path: one.path, reason: 'twice' })
    else items.push(one)
    seen.add(key)
  }
  return { items, ecgs, others, skipped }
}

/** By patient (all that identifies them must agree) and study. */
export function groupByPatient(items: readonly Item[]): PatientGroup[] {
  const patients = new Map<string, PatientGroup>()
  for (const item of items) {
    const { patientId: id, patientName: name, sex, birthDate } = item.header
    const key = JSON.stringify([id, name, sex, birthDate])
    let patient = patients.get(key)
    if (!patient) patients.set(key, (patient = { key, name, id, sex, birthDate, studies: [], files: 0, bytes: 0 }))
    patient.files += 1
    patient.bytes += item.file.size
    addToStudy(patient, item)
  }
  return [...patients.values()]
}

function addToStudy(patient: PatientGroup, item: Item): void {
  const { studyInstanceUid: uid, studyDate: date, modality, description } = item.header
  let study = patient.studies.find((one) => one.uid === uid)
  if (!study) patient.studies.push((study = { uid, date, modalities: [], description, items: [], bytes: 0 }))
  if (modality && !study.modalities.includes(modality)) study.modalities.push(modality)
  study.items.push(item)
  study.bytes += item.file.size
}
