/** Checks before a signature, and what reviewers made of reports. */
import { api } from './client'
import type { Kind, Page, Patient, Person, Priority, Site, Time } from './types'

export type CheckCode =
  | 'laterality_texts' | 'laterality_study' | 'sex' | 'critical' | 'unconcluded' | 'unmentioned' | 'unit_mix' | 'number' | 'stale' | 'empty' | 'blank' | 'punctuation'
export type Section = 'findings' | 'impression' | ''

/** A place that may be wrong; `begin` and `end` count characters, not UTF-16 units. */
export interface Doubt {
  key: string
  code: CheckCode
  section: Section
  begin: number
  end: number
  quoted: string
  detail: Record<string, string>
}

export interface Override {
  key: string
  code: CheckCode
  section: Section
  quoted: string
  reason: string
  by: Person
  at: Time
}

export interface Checked {
  revision: number
  doubts: Doubt[]
  overrides: Override[]
  /** Checks that are overridden only with a reason. */
  reasoned: CheckCode[]
  quick_reasons: string[]
}

/** What the writer handed on. */
export interface Submission {
  findings: string
  impression: string
  critical: boolean
  content: unknown
  preliminary: boolean
  writer: Person
  submitted_at: Time
}

export type Grade = 'none' | 'minor' | 'major'
export const GRADES: readonly Grade[] = ['none', 'minor', 'major']
export const CATEGORIES = ['missed', 'misread', 'laterality', 'incomplete', 'wording', 'typing', 'other'] as const
export type Category = (typeof CATEGORIES)[number]

export interface Verdict {
  grade: Grade
  category: Category | null
  note: string
}

export interface Change {
  before: string
  after: string
}

export interface Discrepancy {
  id: string
  report_id: string
  version: number
  kind: Kind
  modality: string
  body_part: string
  description: string
  patient: Patient
  site: Site
  writer: Person
  reviewer: Person
  grade: Grade
  category: Category | null
  note: string
  changed: boolean
  of_preliminary: boolean
  findings: Change[]
  impression: Change[]
  critical_before: boolean
  critical_after: boolean
  graded_at: Time
  acknowledged_at: Time | null
  reply: string
}

export type FeedbackCounts = Record<'mine' | 'unread' | 'given' | Grade, number>

export interface CheckingContent {
  checks: { check: CheckCode; on: boolean; reason: boolean }[]
  female_words: string[]
  male_words: string[]
  critical_words: { word: string; modalities: string[] }[]
  quick_reasons: string[]
  preliminary: { allowed: boolean; begins: string; ends: string; priorities: Priority[]; final_minutes: number }
}

export interface CheckingRun {
  reports: number
  stopped: number
  checks: { check: CheckCode; reports: number; examples: { report_id: string; section: Section; before: string; quoted: string; after: string }[] }[]
}

export const checkDraft = (task: string, revision: number) => api.post<Checked>(`/tasks/${task}/check`, undefined, { ifMatch: revision })
export const readReview = (report: string) => api.get<{ overrides: Override[]; discrepancy: Discrepancy | null }>(`/reports/${report}/review`)
export const readFeedback = (query: { whose?: 'mine' | 'given'; unread?: boolean; cursor?: string }) => api.get<Page<Discrepancy, FeedbackCounts>>('/feedback', query)
export const acknowledge = (id: string, reply: string) => api.post<Discrepancy>(`/feedback/${id}/acknowledge`, { reply })
