/** Specimens, their transports and their receipt: the shapes of docs/http.md. */
import { api } from './client'
import type { DateText, Page, Patient, Person, Priority, Site, State, Time } from './types'

export type SpecimenState = 'registered' | 'in_transit' | 'received' | 'rejected' | 'cancelled'

export interface Named {
  code: string
  name: string
  name_en: string
}

export interface Specimen {
  id: string
  version: number
  barcode: string
  order_number: string
  state: SpecimenState
  source: 'page' | 'order' | 'analyser'
  site: Site
  patient: Patient
  kind: string
  tube: string
  panels: Named[]
  /** Items that are in none of the panels. */
  extra_items: Named[]
  items: number
  /** Ordered by HL7, and in no dictionary. */
  unknown_tests: string[]
  priority: Priority
  clinical_information: string
  requester: string
  department: string
  bed: string
  collected_at: Time | null
  registered_at: Time
  registered_by: Person | null
  transport: { id: string; number: string; expected_at: Time | null; late: boolean } | null
  sent_at: Time | null
  received_at: Time | null
  received_by: Person | null
  reason: string
  replaced: boolean
  asked_anew: { reason: string; asked_at: Time; asked_by: string } | null
  /** To be tested again, from the same tube. */
  reruns: { item: Named; reason: string; asked_at: Time; asked_by: string }[]
  examination_id: string | null
  resulted: number
  reading: State | null
  report: { report_id: string; state: string | null } | null
}

export interface SpecimenDetail extends Specimen {
  phone: string
  panel_codes: string[]
  item_codes: string[]
  steps: { step: string; at: Time; by: string; detail: string }[]
}

export type SpecimenCounts = Partial<Record<SpecimenState | 'asked_anew', number>>

export interface Transport {
  id: string
  number: string
  site: Site
  courier: string
  note: string
  sent_at: Time
  sent_by: Person | null
  expected_at: Time | null
  late: boolean
  specimens: number
  remaining: number
}

export interface TransportDetail extends Transport {
  items: Specimen[]
}

export type TransportState = 'on_the_way' | 'late' | 'arrived'

export interface Panel extends Named {
  initials: string
  section: string
  specimen: string
  tube: string
  items: string[]
}

export interface Item extends Named {
  initials: string
  section: string
  specimen: string
  abbreviation: string
}

export interface KnownPatient {
  patient_id: string
  name: string
  sex: 'M' | 'F' | 'O' | null
  birth_date: DateText | null
  card: string | null
  phone: string
}

export interface FoundPatients {
  card: { number: string; sex: 'M' | 'F'; birth_date: DateText } | null
  mistyped: boolean
  patients: KnownPatient[]
}

export interface Registration {
  patient: { name: string; sex: string | null; birth_date: DateText | null; national_id: string | null; patient_id: string; phone: string }
  panels: string[]
  items: string[]
  priority: Priority
  clinical_information: string
  requester: string
  department: string
  bed: string
  barcodes: string[]
  replaces_id: string | null
}

export const findPatients = (text: string) => api.post<FoundPatients>('/lab/patients/find', { text })
export const readOrderable = () => api.get<{ panels: Panel[]; items: Item[] }>('/lab/orderable')
export const registerSpecimens = (body: Registration) => api.post<{ specimens: Specimen[] }>('/lab/specimens', body)
export const readSpecimen = (id: string) => api.get<SpecimenDetail>(`/lab/specimens/${id}`)
export const listSpecimens = (query: object) => api.get<Page<Specimen, SpecimenCounts>>('/lab/specimens', query)
export const decideSpecimen = (id: string, deed: 'cancel' | 'reject' | 'take-back', reason: string, version: number) =>
  api.post<SpecimenDetail>(`/lab/specimens/${id}/${deed}`, { reason, version })
export const sendSpecimens = (body: { specimen_ids: string[]; courier: string; expected_at: Time; note: string }) => api.post<TransportDetail>('/lab/transports', body)
export const listTransports = (query: object) => api.get<Page<Transport, Partial<Record<TransportState, number>>>>('/lab/transports', query)
export const readTransport = (id: string) => api.get<TransportDetail>(`/lab/transports/${id}`)
export const receiveSpecimen = (barcode: string, specimen_id?: string) =>
  api.post<{ specimen: Specimen; transport: TransportDetail | null; unrouted: string }>('/lab/receive', { barcode, specimen_id: specimen_id ?? null })
