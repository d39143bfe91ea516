/** Critical values, as docs/http.md says them. */
import type { Kind, Patient, Person, Site, Time } from './types'

export type CriticalState = 'found' | 'reviewed' | 'notified' | 'received' | 'handled' | 'closed' | 'withdrawn'
export type CriticalAction = CriticalState | 'called' | 'misread' | 'escalated' | 'exhausted'
export type CriticalChannel = 'page' | 'phone' | 'in_person' | 'system'

export interface CriticalStep {
  id: string
  action: CriticalAction
  at: Time
  /** Nobody: the gateway itself. */
  person: Person | null
  channel: CriticalChannel
  recipient: string
  detail: { note?: string; read_back?: string; treatment?: string; reason?: string; phone?: string; silent_in?: CriticalState }
}

export interface CriticalEvent {
  id: string
  examination_id: string
  kind: Kind
  description: string
  accession_number: string
  site: Site
  patient: Patient
  found: { name: string; value: string; unit?: string | null; [more: string]: unknown }
  found_at: Time
  state: CriticalState
  due_at: Time | null
  level: number
  must_act: boolean
  of_centre: boolean
  may_answer: boolean
  /** How often the chain came to the caller. */
  called_me: number
  report_id: string | null
  steps: CriticalStep[]
}

export interface CriticalBook {
  review_minutes: number
  receive_minutes: number
  handle_minutes: number
}

export interface CriticalRun {
  events: number
  late_review: number
  late_receive: number
  late_handle: number
}
