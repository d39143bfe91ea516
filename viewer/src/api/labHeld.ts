/** What waits of laboratory messages, profiles of analysers, and the county's dictionary. */
import { api } from './client'
import type { FileMapping } from '@/lib/lab/columns'
import type { Device, Page, Patient, Site } from './types'

export type HeldAction = 'attach' | 'register' | 'retry' | 'set_aside'

export interface LabHeldLine {
  id: string
  reason: string
  reason_text: string
  held_at: string
  site: Site | null
  device: Device | null
  profile_code: string | null
  barcode: string
  specimen_number: number | null
  position: number | null
  detail: Record<string, unknown>
  examination_id: string | null
  message: { id: string; type: string; wire: string; control_id: string; received_at: string; results: number; filed: number; text_in_doubt: boolean }
  actions: HeldAction[]
}
export interface StatedResult {
  position: number
  code: string
  text: string
  value: string
  unit: string
  range: string
  flags: string[]
  status: string
  held: string | null
}
export interface Candidate {
  id: string
  barcode: string
  state: string
  site: Site
  patient: Patient
  items: string[]
  registered_at: string
  fits: boolean
}
export interface LabHeldDetail extends LabHeldLine {
  readable: boolean
  specimens: { number: number; barcode: string; patient: Patient | null; results: StatedResult[] }[] | null
  candidates: Candidate[]
  existing: Patient | null
}
export interface Reprocessed {
  messages: number
  unreadable: number
  filed: number
  held: number
}
export interface Meaning {
  item?: string
  ignored?: boolean
  flag?: boolean | string[] // of every item, or of these
  unit?: string
  unit_means?: Record<string, string>
}
/** Of an ASTM wire; places are counted from 1, 0 is "as it looks". */
export interface Dialect {
  barcode_field?: number
  barcode_component?: number
  test_component?: number
  query_component?: number
  dilution_field?: boolean
  answer_text_limit?: number
  answer_one_record_each?: boolean
  action_code?: string
  report_type?: string
  termination?: string
  says_unknown?: boolean
}
export interface ProfileContent {
  tests?: Record<string, Meaning>
  units?: Record<string, string>
  flags?: Record<string, string>
  values?: Record<string, string>
  empty?: string[]
  barcode?: string
  controls?: { pattern: string; level: string; lot?: string }[]
  dialect?: Dialect
  file?: { table?: FileMapping; document?: string }
}
export interface LabFileLine {
  id: string
  received_at: string
  device: Device | null
  state: string
  type: string
  results: number
  filed: number
  size_bytes: number
}
export interface LabFile extends LabFileLine {
  names: boolean
  file_name: string
  is_document: boolean
  in_doubt: boolean
  proposed: FileMapping | null
  headings: string[]
  above: { number: number; cells: string[] }[]
  rows: string[][]
}
export interface FilePreview {
  names: boolean
  problem: string
  specimens: number
  results: number
  filed: number
  left_out: number
  held: { reason: string; reason_text: string; count: number }[]
  unmapped: string[]
  shown: { barcode: string; name: string; control: boolean; attachments: number; held: string | null; held_text: string; outcomes: Outcome[] }[]
  warnings: string[]
}
export interface ProfileHead {
  name: string
  manufacturer: string
  models: string
  wire: string
  source: string
  unconfirmed: boolean
  enabled: boolean
}
export interface ProfileLine extends ProfileHead {
  code: string
  version: number
  changed_at: string
  devices: number
  mapped: number
  waiting: number
}
export interface Profile extends ProfileLine {
  content: ProfileContent
  may_change: boolean
  behind_shipped: boolean
}
export interface Outcome {
  specimen_number: number
  position: number
  code: string
  text: string
  alternate: string
  value: string
  unit: string
  status: string
  item_code: string | null
  item_name: string
  item_name_en: string
  becomes: string
  becomes_unit: string
  abnormal: string
  low: number | null
  high: number | null
  range_text: string
  held: string | null
  held_text: string
  left_out: string
  taken_unit: string
}
export interface LabRange {
  sex: string
  from_days: number
  to_days: number | null
  low: number | null
  high: number | null
  text: string
  critical_low: number | null
  critical_high: number | null
  critical_values: string[]
  source: string
  unconfirmed: boolean
}
export interface LabItem {
  revision: string
  code: string
  name: string
  name_en: string
  abbreviation: string
  initials: string
  section: string
  scale: string
  unit: string
  decimals: number | null
  loinc: string
  specimen: string
  method: string
  recognition_item_code: string | null
  units: { unit: string; factor: number; offset: number }[]
  normal_values: string[]
  delta_percent: number | null
  delta_absolute: number | null
  delta_days: number | null
  position: number
  enabled: boolean
  ranges: LabRange[]
}
export interface LabPanel {
  revision: string
  code: string
  name: string
  name_en: string
  section: string
  specimen: string
  tube: string
  items: string[]
  enabled: boolean
}
export interface Imported {
  done: boolean
  differences: { sheet: string; code: string; name: string; is_new: boolean; fields: Record<string, [unknown, unknown]> }[]
  unchanged: number
  errors: { sheet: string; row: number; column: string; reason: string; message: string }[]
}

export const listHeld = (query: object) => api.get<Page<LabHeldLine>>('/lab/held', query)
export const readHeld = (id: string) => api.get<LabHeldDetail>(`/lab/held/${id}`)
export const resolveHeld = (id: string, body: object) => api.post<Reprocessed>(`/lab/held/${id}/resolve`, body)
export const reprocess = (body: object) => api.post<Reprocessed>('/lab/held/reprocess', body)
export const listProfiles = () => api.get<ProfileLine[]>('/lab/profiles')
export const readProfile = (code: string) => api.get<Profile>(`/lab/profiles/${code}`)
export const makeProfile = (body: object) => api.post<Profile>('/lab/profiles', body)
export const changeProfile = (code: string, body: object) => api.put<Profile>(`/lab/profiles/${code}`, body)
export const previewProfile = (message_id: string, content: ProfileContent) => api.post<Outcome[]>('/lab/profiles/preview', { message_id, content })
export const listFiles = (profile_code: string) => api.get<LabFileLine[]>('/lab/files', { profile_code })
export const readFile = (id: string, asked: { encoding?: string; delimiter?: string; heading_row?: number } = {}) => api.get<LabFile>(`/lab/files/${id}`, asked)
export const previewFile = (id: string, content: ProfileContent) => api.post<FilePreview>(`/lab/files/${id}/preview`, { content })
export const listItems = () => api.get<{ items: LabItem[]; may_change: boolean }>('/lab/items')
export const listPanels = () => api.get<{ items: LabPanel[]; may_change: boolean }>('/lab/panels')
export const changeItem = (code: string, body: object, revision: string) => api.patch<LabItem>(`/lab/items/${code}`, body, { ifMatch: revision })
export const makeItem = (body: object) => api.post<LabItem>('/lab/items', body)
export const changePanel = (code: string, body: object, revision: string) => api.patch<LabPanel>(`/lab/panels/${code}`, body, { ifMatch: revision })
export function importDictionary(file: File, dryRun: boolean): Promise<Imported> {
  const form = new FormData()
  form.append('file', file)
  return api.post<Imported>('/lab/dictionary/import', form, { query: { dry_run: dryRun ? 'true' : 'false' } })
}
