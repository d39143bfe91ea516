/** Quality control of devices, as `gateway/web/device_control_shapes.py` says it. */
import type { DateText, Person, Site, Time } from './types'

export type CheckKind = 'daily' | 'constancy' | 'status' | 'acceptance' | 'calibration'
export type CheckResult = 'pass' | 'fail'
export type DeviceState = 'out_of_control' | 'missing' | 'in_control' | 'not_required'

export const CHECK_KINDS: readonly CheckKind[] = ['daily', 'constancy', 'status', 'acceptance', 'calibration']

export interface CheckDone {
  id: string
  kind: CheckKind
  result: CheckResult
  done_on: DateText
  note: string
}

export interface DeviceStand {
  device: { id: string; ae_title: string; name: string; modality: string; enabled: boolean; site: Site }
  state: DeviceState
  takes_mark: boolean
  failed: CheckDone | null
  due: { kind: CheckKind; on: DateText; takes_mark: boolean } | null
  last: CheckDone | null
}

export interface DeviceLine extends DeviceStand {
  may_enter: boolean
  may_release: boolean
}

export interface DeviceCheck extends CheckDone {
  done_by: string
  measured: string
  next_due_on: DateText | null
  entered_by: Person
  entered_at: Time
  corrects_id: string | null
  corrected_by_id: string | null
  open: boolean
  released_at: Time | null
  released_by: Person | null
  release_reason: string
  release_covers_meanwhile: boolean
  evidence: { name: string; media_type: string; size_bytes: number; sha256: string } | null
}

export interface DeviceControl extends DeviceLine {
  checks: DeviceCheck[]
  intervals: { kind: CheckKind; every_days: number; valid_from: DateText; late_takes_mark: boolean; unconfirmed: boolean }[]
}

export interface DeviceOverview {
  items: DeviceLine[]
  counts: Partial<Record<DeviceState, number>>
}
