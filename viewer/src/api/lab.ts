/** The laboratory's results as the gateway tells them, and what a person does with them. */
import { api, address } from './client'
import type { Patient, Person, Priority, Time } from './types'

export type Abnormal = '' | 'L' | 'H' | 'LL' | 'HH' | 'A' | 'AA'
export type ResultStatus = 'P' | 'F' | 'C' | 'X' | 'D'
export type Verification = 'waiting' | 'automatic' | 'verified' | 'rerun'
export type ControlState = 'in_control' | 'out_of_control' | 'missing' | 'not_required'

export interface Stop {
  rule: string
  detail: string
}

export interface Delta {
  value: string
  number: number
  observed_at: Time
  percent: number | null
  exceeded: boolean
}

export interface LabRangeShown {
  low: number | null
  high: number | null
  text: string
}

/** What the analyser wrote, before anything was converted. */
export interface Reported {
  code?: string
  text?: string
  value?: string
  unit?: string
  range?: string
  flags?: string[]
  status?: string
}

export interface LabResult {
  id: string
  run: number
  version: number
  status: ResultStatus
  value: string
  number: number | null
  comparator: string
  unit: string
  range: LabRangeShown
  abnormal: Abnormal
  critical: boolean
  delta: Delta | null
  instrument_flags: string[]
  comments: string[]
  dilution: string
  method: string
  operator: string
  device: { id: string; name: string } | null
  observed_at: Time
  received_at: Time
  reported: Reported
  control_state: ControlState
  verification: Verification
  stops: Stop[]
  verified_at: Time | null
  verified_by: Person | null
  remark: string
  message_id: string | null
}

export interface HistoryPoint {
  value: string
  number: number | null
  observed_at: Time
  abnormal: Abnormal
}

export interface ItemMark {
  text: string | null
  scope: string | null
  reason: string | null
}

export interface LabItemShown {
  item_code: string
  name: string
  name_en: string
  abbreviation: string
  section: string
  /** Code of the panel it was ordered with. */
  panel: string | null
  unit: string
  position: number
  ordered: boolean
  result: LabResult | null
  /** Verified by itself and with a reason: critical, or out of control until released. */
  needs_word: boolean
  /** Other versions and runs. */
  earlier: LabResult[]
  /** What the patient had before, newest first. */
  history: HistoryPoint[]
  rerun: { reason: string; new_specimen: boolean; asked_at: Time; asked_by: Person } | null
  mark: ItemMark | null
}

export interface LabCounts {
  ordered: number
  resulted: number
  waiting: number
  abnormal: number
  critical: number
  held: number
  rerun: number
}

export interface LabSpecimenShown {
  id: string
  barcode: string
  kind: string
  state: string
  collected_at: Time | null
  received_at: Time | null
  panels: { code: string; name: string }[]
  priority: Priority
  requester: string
  department?: string
  bed?: string
  clinical_information: string
}

export interface LabAttachment {
  id: string
  name: string
  media_type: string
  size_bytes: number
}

export interface LabHeldShown {
  id: string
  reason: string
  detail: Record<string, unknown>
}

export interface LabResults {
  examination_id: string
  specimen: LabSpecimenShown | null
  counts: LabCounts
  items: LabItemShown[]
  attachments: LabAttachment[]
  held: LabHeldShown[]
}

export interface LabMessageShown {
  id: string
  wire: string
  type: string
  control_id: string
  received_at: Time
  device: { id: string; name: string } | null
  raw: string[] | string
  patient?: Patient
}

/** One result as it was signed. */
export interface ResultSnapshot {
  item_code: string
  name: string
  name_en: string
  abbreviation: string
  section: string
  panel: string | null
  value: string
  unit: string
  range: LabRangeShown
  abnormal: Abnormal
  critical: boolean
  status: ResultStatus
  method: string
  remark: string
  operator: string
  device: { id: string; name: string; institution?: { code: string; name: string } } | null
  observed_at: Time
  verification: Verification
  verified_at: Time | null
  verified_by: string | null
  mark: ItemMark | null
  /** Against the version before. */
  change: { kind: 'added' } | { kind: 'corrected'; value: string; unit: string } | null
}

/** What a report of a specimen says. */
export interface LabContent {
  results: ResultSnapshot[]
  pending: { item_code: string; name: string; reason: string; earlier: string | null }[]
  panels: { code: string; name: string; name_en: string; loinc: string }[]
  specimen: { barcode: string; kind: string; collected_at: Time | null; received_at: Time | null; requester: string; department: string; bed: string; order_number: string } | null
}

/** What one signature of many came to; refused ones say why. */
export interface SignedRow {
  task_id: string
  outcome: 'signed' | 'submitted' | 'refused'
  report_id: string | null
  version: number | null
  code: string | null
  detail: string | null
}

/** What specimens of a worklist may be asked for by. */
export type LabSign = 'critical' | 'abnormal' | 'waiting' | 'held' | 'clean'

export const attachmentAddress = (id: string): string => address(`/lab/attachments/${id}`)

export const readResults = (examination: string): Promise<LabResults> => api.get(`/examinations/${examination}/results`)
export const readMessage = (id: string): Promise<LabMessageShown> => api.get(`/lab/messages/${id}`)
export const verifyResults = (task: string, results: string[], reason = ''): Promise<unknown> => api.post(`/tasks/${task}/results/verify`, { result_ids: results, ...(reason ? { reason } : {}) })
export const unverifyResult = (task: string, result: string, reason: string): Promise<unknown> => api.post(`/tasks/${task}/results/${result}/unverify`, { reason })
export const remarkResult = (task: string, result: string, remark: string): Promise<unknown> => api.post(`/tasks/${task}/results/${result}/remark`, { remark })
export const rerunResult = (task: string, result: string, reason: string, newSpecimen: boolean): Promise<unknown> => api.post(`/tasks/${task}/results/${result}/rerun`, { reason, new_specimen: newSpecimen })
/** Another run of its item is the one that counts. */
export const chooseResult = (task: string, result: string, reason: string): Promise<unknown> => api.post(`/tasks/${task}/results/${result}/choose`, { reason })
export const signMany = (tasks: string[]): Promise<{ items: SignedRow[] }> => api.post('/lab/sign', { task_ids: tasks })
