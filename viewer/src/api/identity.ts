/** The shapes of docs/http.md for the patient index and for text in doubt. */
import type { Device, Patient, Person, Site, Time } from './types'

export interface KnownPatient extends Patient {
  id: string
  site: Site
  written_name: string
  card: string | null
  phone: string
  issuer: string
  examinations: number | null
}

export type Agreement = 'same' | 'alike' | 'unnamed' | 'different' | 'unknown'

export interface Proposal {
  id: string
  conflict: boolean
  linked: boolean
  rule: string
  rule_text: string
  agreement: Record<string, Agreement>
  sides: [KnownPatient, KnownPatient]
  found_at: Time
  state: 'open' | 'confirmed' | 'refused' | 'linked' | 'withdrawn'
  decided_at: Time | null
  decided_by: Person | null
  reason: string
}

export interface LinkEvent {
  id: string
  at: Time
  action: 'linked' | 'merged' | 'separated' | 'refused'
  by: Person | null
  rule: string
  rule_text: string
  reason: string
  members: { patient_id: string; patient: Patient; moved: boolean }[]
}

export interface KnownPerson {
  person_id: string
  patients: KnownPatient[]
  history: LinkEvent[]
}

export interface Doubt {
  id: string
  examination_id: string | null
  site: Site
  device: Device | null
  device_character_set: string | null
  declared: string
  proposed: string
  name_as_declared: string | null
  name_as_proposed: string | null
  alike: number
  state: 'open' | 'confirmed' | 'rejected'
  for_device: boolean
  found_at: Time
  decided_at: Time | null
  decided_by: Person | null
}
