/** Messages of analysers over HTTP. Shapes as in docs/http.md. */
import { address, api } from './client'
import type { Page } from './types'

export type LabMessageState = 'filed' | 'held' | 'duplicate' | 'other' | 'set_aside'
export const LAB_MESSAGE_STATES: readonly LabMessageState[] = ['held', 'filed', 'duplicate', 'other', 'set_aside']

export interface LabMessageItem {
  id: string
  received_at: string
  wire: 'hl7' | 'astm' | 'file'
  kind: 'results' | 'orders' | 'query' | 'other'
  type: string
  control_id: string
  state: LabMessageState
  results: number
  filed: number
  controls: number
  held: number
  text_in_doubt: boolean
  warnings: string[]
  device: { id: string; ae_title: string; name: string } | null
  site: { id: string; code: string; name: string } | null
  size_bytes: number
}

export interface LabCoded {
  code: string
  text: string
  system: string
}

export interface LabOutcome {
  state: 'result' | 'control' | 'attachment' | 'held' | 'none'
  examination_id: string | null
  id: string | null
  item_code: string
  item_name: string
  value: string
  unit: string
  abnormal: string
  current: boolean | null
  reason: string | null
}

export interface LabSaidResult {
  position: number
  test: LabCoded
  value: string
  unit: string
  range: string
  flags: string[]
  status: string
  observed_at: string | null
  outcome: LabOutcome
}

export interface LabSaidSpecimen {
  barcode: string
  rack: string
  place: string
  kind: string
  control: string
  tests: LabCoded[]
  patient: { patient_id: string; name: string; sex: string; birth_date: string | null } | null
  held: string[]
  results: LabSaidResult[]
}

export interface LabMessageDetail extends LabMessageItem {
  peer_address: string
  tls: boolean
  names: boolean
  held_whole: string[]
  problem: string
  raw: string[]
  parsed: { version: string; processing_id: string; sender: string; sent_at: string | null; character_set: string; query: string[] | null; specimens: LabSaidSpecimen[] } | null
}

export const listMessages = (query: { state?: string; device_id?: string; q?: string; limit?: number; cursor?: string | null }): Promise<Page<LabMessageItem>> => api.get('/lab/messages', query)
export const readMessage = (id: string): Promise<LabMessageDetail> => api.get(`/lab/messages/${id}`)
export const originalAddress = (id: string): string => address(`/lab/messages/${id}/original`)
