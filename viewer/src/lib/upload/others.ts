/**
 * Files that are no DICOM and may yet be an examination: a report as PDF, the file of an ECG cart, a photograph.
 *
 * Which they are is told by the name alone, and only so that a CD's own programs are not offered; what a file holds is the
 * gateway's to judge. They go by `POST /api/v1/examinations` of docs/http.md.
 */
import type { Kind } from '@/api/types'
import type { Found } from './files'
import { type Outcome, type Parcel, refusedWhole } from './sender'

export const OTHER_KINDS: readonly Kind[] = ['ecg', 'laboratory', 'pathology', 'imaging']
const NAMES = /\.(pdf|scp|ecg|hea|dat|mat|xyz|edf|bdf|ish|mwf|mfer|xml|hl7|zip|jpe?g|png|tiff?)$/i

export interface Labels {
  kind: Kind
  accession: string
  /** The township marks chest pain: it goes to the top. */
  chestPain?: boolean
}
interface Answer {
  accepted?: { name: string; examination_id: string }[]
  refused?: { name: string; reason: string }[]
}

export const mayBeExamination = (path: string): boolean => NAMES.test(path)

/** Together, because files may belong together (`.hea` with its `.dat`); no name twice, so that answers can be told apart. */
export function rounds(files: readonly Found[]): Found[][] {
  const all: Found[][] = []
  const met = new Map<string, number>()
  for (const one of files) {
    const turn = met.get(one.file.name) ?? 0
    met.set(one.file.name, turn + 1)
    ;(all[turn] ??= []).push(one)
  }
  return all
}

export function otherParcel(files: Found[], { kind, accession, chestPain = false }: Labels): Parcel {
  return {
    files,
    path: '/api/v1/examinations',
    headers: {},
    body: () => {
      const form = new FormData()
      form.append('kind', kind)
      if (accession.trim()) form.append('accession_number', accession.trim())
      if (chestPain) form.append('priority', 'chest_pain')
      for (const one of files) form.append('files', one.file, one.file.name)
      return form
    },
    read: (status, text) => readAnswer(files, status, text),
  }
}

/** What became of each file: 201, or 422 when every one was refused, each with its reason or all with one. */
export function readAnswer(files: readonly Found[], status: number, text: string): Outcome | null {
  if (status !== 201 && status !== 422) return null
  let answer: Answer
  try {
    answer = JSON.parse(text) as Answer
  } catch {
    return null
  }
  if (!answer.accepted || !answer.refused) return refusedWhole(files, status, text)
  const examinations = new Map(answer.accepted.map((one) => [one.name, one.examination_id]))
  const reasons = new Map(answer.refused.map((one) => [one.name, one.reason]))
  const cut = answer.refused.filter((one) => !files.some(({ file }) => file.name === one.name)) // a name too long comes back shorter
  const outcome: Outcome = { accepted: [], refused: [] }
  for (const item of files) {
    const { name } = item.file
    const examinationId = examinations.get(name)
    if (examinationId) outcome.accepted.push({ item, examinationId })
    else outcome.refused.push({ item, code: '', detail: reasons.get(name) ?? cut.shift()?.reason ?? '' })
  }
  return outcome
}
