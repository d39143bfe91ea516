/** The shapes of docs/http.md for IT, held originals, administration and the auditor. */
import type { DeviceState } from './deviceControl'
import type { Device, Kind, Page, Patient, Person, RoleName, Site, Time } from './types'

export interface Fault {
  code: string
  text: string
  since: Time | null
  where: string | null
  severity: 'red' | 'amber'
}

export interface Listener {
  name: string
  address: string | null
  port: number
  up: boolean
  associations: number
  accepted: number
  refused: number
  instances: number
}

export interface Journal {
  segments: number
  bytes: number
  unfiled_bytes: number
  limit_bytes: number | null
  /** What is accepted and not in the object store yet; null while the database is away. */
  not_filed_records: number | null
  not_filed_bytes: number | null
  oldest_unindexed_at: Time | null
  unindexed_records: number | null
  quarantined: number | null
}

export interface System {
  version: string
  started_at: Time | null
  faults: Fault[]
  listeners: Listener[]
  journal: Journal
  drain: { indexed_per_minute: number | null; filed_per_minute: number | null; indexed_at: Time | null; filed_at: Time | null }
  store: { kind: string; up: boolean; packs: number | null; bytes: number | null; detail: string | null }
  database: { kind: string; up: boolean; detail: string | null }
  sweep: { kind: string; due: number | null; oldest_due_at: Time | null; failing: number | null }
  backup?: { stamp: string; ended_at: Time; size_bytes: number; originals: boolean; verified: boolean; problems: number } | null
  certificates?: { name: string; ends_at: Time }[]
  processes?: { role: string; node: string; host: string; alive: boolean; seen_at: Time }[]
}

export interface Township {
  site: Site
  devices: number
  last_heard_at: Time | null
  queue: number
  oldest_waiting_at: Time | null
  held: number
  refused_today: number
  out_of_control: number
  check_late: number
  silent: boolean
}

export interface SystemDevice extends Device {
  modality?: string | null
  address?: string | null
  enabled?: boolean
  site?: Site | null
  last_heard_at?: Time | null
  control_state?: DeviceState
}

export interface DeviceRefusal {
  at: Time
  what: 'connection' | 'association' | 'instance' | 'message' | 'file'
  reason: string
  advice: string | null
  sop_instance_uid?: string | null
  count?: number
}

/** Alike refusals of one caller at the DICOM door. */
export interface RefusedPeer {
  ae_title: string
  address: string
  what: 'connection' | 'association' | 'instance' | 'message'
  reason: string
  advice: string
  code: string
  /** Our own word for why, where the standard's reason says too little. */
  cause: string
  count: number
  last_at: Time
  device: SystemDevice | null
}

export interface DeviceDetail {
  device: SystemDevice
  last_heard_at: Time | null
  last_object: { sop_instance_uid: string; at: Time } | null
  associations: { opened_at: Time | null; closed_at: Time | null; how: string | null; stored: number; refused: number }[]
  refusals: DeviceRefusal[]
}

export type WorkState = 'due' | 'failing' | 'done'

export interface WorkRow {
  id: string
  task: string
  about: string | null
  due_at: Time
  attempts: number
  last_error: string | null
  leased_until: Time | null
}

export interface QuarantinedRecord {
  id: string
  reason: string | null
  received_at?: Time | null
  kind?: string | null
  size_bytes?: number | null
  site?: Site | null
  actions: ('retry' | 'discard')[]
}

export type HeldAction = 'keep' | 'replace' | 'join' | 'separate' | 'discard'

export interface HeldItem {
  id: string
  reason: string
  reason_text: string
  received_at: Time
  site: Site | null
  device: Device | null
  patient: Patient | null
  sop_instance_uid: string | null
  study_instance_uid: string | null
  filename: string | null
  /** How many others wait for the same decision. */
  alike: number
  actions: HeldAction[]
}

export interface ResolvedAlike {
  resolved: number
  left: number
  examination_id: string | null
}

export type Header = Record<string, unknown>

export interface HeldDetail extends HeldItem {
  incoming: Header
  existing: Header | null
  differences: { field: string; incoming: unknown; existing: unknown }[]
}

export interface RoleAt {
  role: RoleName
  centre_id: string | null
}

export type Value = string | number | boolean | null | undefined | RoleAt[] | string[]
export type Row = Record<string, Value>

export interface Change {
  id: string
  at: Time
  by: Person | null
  entity: string
  entity_id: string
  before: Row | null
  after: Row | null
  undoes: string | null
}

export interface AuditRow {
  id: string | number
  at: Time
  action: string
  person: Person | null
  actor: string
  institution: Site | null
  examination_id: string | null
  accession_number: string | null
  /** The roles of that person, and the reason that was given. */
  basis: string
  address: string
  outcome: string
  detail: Record<string, unknown>
  sealed: boolean
}

export interface ChainResult {
  ok: boolean
  checked: number
  first_bad: { id: string | number; reason: string } | null
}

export type { Kind }

/** Short lists come plain, long ones in pages. */
export function rowsOf<T>(answer: T[] | Page<T>): T[] {
  return Array.isArray(answer) ? answer : answer.items
}
