/** Quality control and rules of verification, as `gateway/web/lab_control.py` and the rule book of verification say them. */
import type { DateText, Person, Time } from './types'

export type Verdict = 'in_control' | 'warning' | 'out_of_control' | 'unknown'
export type ControlStanding = 'out_of_control' | 'missing' | 'warning' | 'in_control' | 'no_target' | 'never_run'

export interface Bench {
  id: string
  name: string
  institution: string
}

export interface ControlItem {
  code: string
  name: string
  name_en: string
  abbreviation: string
  unit: string
  decimals: number | null
}

export interface Material {
  id: string
  device_id: string
  item_code: string
  level: string
  lot: string
  name: string
  mean: number
  sd: number
  unit: string
  every_hours: number | null
  valid_from: DateText
  valid_to: DateText | null
  enabled: boolean
}

export interface ControlResult {
  id: string
  level: string
  lot: string
  material_id: string | null
  value: string
  number: number | null
  unit: string
  z: number | null
  verdict: Verdict
  rules: string[]
  observed_at: Time
  received_at: Time
  message_id: string | null
  excluded: boolean
  excluded_at: Time | null
  excluded_by: Person | null
  exclusion_reason: string
  comment: string
  released_at: Time | null
  released_by: Person | null
  release_reason: string
}

export interface ControlLine {
  device: Bench
  item: ControlItem
  level: string
  lot: string
  material_id: string | null
  state: ControlStanding
  open: number
  due_at: Time | null
  last: ControlResult | null
}

export interface ControlOverview {
  items: ControlLine[]
  counts: Partial<Record<ControlStanding, number>>
  may_decide: boolean
  may_set: boolean
}

export interface ControlChart {
  device: Bench
  item: ControlItem
  materials: Material[]
  results: ControlResult[]
  held_back: number
  may_decide: boolean
  may_set: boolean
}

export interface Settled {
  result: ControlResult
  held_back: number
  to_judge: number
}

export interface TargetProposal {
  count: number
  enough: boolean
  mean: number | null
  sd: number | null
  first_at: Time | null
  last_at: Time | null
}

export interface Rule {
  code: string
  enabled: boolean
  items: string[]
  sections: string[]
  name?: string
  percent?: number
  missing?: boolean
  check?: 'sum' | 'parts' | 'at_least' | 'product'
  of?: string[]
  equals?: number
  tolerance?: number
  factor?: number
  tolerance_percent?: number
}

export interface DryRun {
  at: Time
  results: number
  first_at: Time | null
  last_at: Time | null
  released: number
  stopped: number
  was_released: number
  was_stopped: number
  newly_released: number
  newly_stopped: number
  by_rule: Record<string, { stopped: number; alone: number }>
  changes: {
    result_id: string
    item_code: string
    item_name: string
    value: string
    unit: string
    abnormal: string
    observed_at: Time
    before: string[]
    after: { rule: string; detail: string }[]
  }[]
}
