/** Assignment: what its rule books say, and the roster of a centre. */
import { api } from './client'
import { readBook } from './ruleBooks'
import type { DateText, Kind, Person, Priority } from './types'

export type BookName = 'routing' | 'assignment'

/** What of an examination a rule looks at; an empty list fits anything. */
export interface Fits {
  modalities: string[]
  body_parts: string[]
  institutions: string[]
  words: string[]
}

export interface Route extends Fits {
  kind: Kind
  centre: string
  subspecialty: string
}

export interface Overflow {
  from: string
  to: string
  waiting: number | null
  oldest_minutes: number | null
  nobody_on_duty: boolean
}

export interface RoutingContent {
  routes: Route[]
  overflows: Overflow[]
}

export interface AssignmentContent {
  mode: 'pull' | 'push' | 'both'
  turnaround: { priority: Priority; modality: string; minutes: number }[]
  urgencies: (Fits & { priority: Priority })[]
  points: Record<string, number>
  points_per_100_instances: number
  most_open: number
  continuity: boolean
  kept_minutes: number
  pause_reasons: string[]
}

export type Content = RoutingContent | AssignmentContent

export interface RoutingRun {
  tasks: number
  moved: { from: string; to: string; tasks: number }[]
  subspecialties: Record<string, number>
  unrouted: number
}

export interface AssignmentRun {
  tasks: number
  sooner: number
  later: number
  more_urgent: number
  begun_late: number
  points: number
  heaviest: number
}

export async function readPauseReasons(centre: string): Promise<string[]> {
  return (await readBook<AssignmentContent>('assignment', centre)).in_force.pause_reasons
}

export interface DutyLine {
  id: string | null
  person_id: string
  position: number
  weekdays: string
  begins: string
  ends: string
  first_day: DateText | null
  last_day: DateText | null
}

export interface AbsenceLine {
  id: string | null
  person_id: string
  first_day: DateText
  last_day: DateText
  cover_id: string | null
  note: string
}

export interface QualificationLine {
  id: string | null
  person_id: string
  modalities: string[]
  subspecialties: string[]
  valid_from: DateText | null
  valid_to: DateText | null
}

export interface RosterLines {
  duty: DutyLine[]
  absences: AbsenceLine[]
  qualifications: QualificationLine[]
}

export interface Roster extends RosterLines {
  revision: string
  people: (Person & { reviews: boolean })[]
  working: (Person & { covers_for: string | null })[]
  may_set: boolean
}

export const readRoster = (centre: string) => api.get<Roster>(`/centres/${centre}/roster`)
export const keepRoster = (centre: string, lines: RosterLines, revision: string) => api.put<Roster>(`/centres/${centre}/roster`, { ...lines, revision })
