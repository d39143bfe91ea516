/** Mutual recognition at the order: the shapes of docs/http.md. */
import { address, api } from './client'
import type { DateText, Kind, Site, Time } from './types'

export type Outcome = 'reminder' | 'reference' | 'older' | 'none'
export type Choice = 'adopted' | 'declined'

export interface CatalogueItem {
  code: string
  name: string
  kind: Kind
  valid_days: number | null
  unconfirmed: boolean
}

export interface Reason {
  code: string
  name: string
  name_en: string
  counts_as_refusal: boolean
  note_required: boolean
  unconfirmed: boolean
}

export interface Match {
  item: CatalogueItem
  outcome: Outcome
  id: string | null
  mark: string | null
  reported_at: Time | null
  examined_at: Time | null
  source: Pick<Site, 'code' | 'name'> | null
  standing: boolean | null
  result: { value: string; unit: string; range: string; abnormal: string; findings: string; impression: string } | null
  decision: { decision: Choice; reason_code: string | null; note: string; told_patient: boolean; doctor: string; department: string; decided_at: Time; saved: string } | null
  cited_at: Time | null
}

export interface MatchGroup {
  id: string
  asked_at: Time
  asked_by: string
  decided_at: Time | null
  matches: Match[]
}

export interface Question {
  patient: { id_type: string; number: string; name: string; sex: string; birth_date: DateText }
  items: string[]
  encounter: { type: string; number: string; department: string; doctor: string }
}

export interface Decision {
  match_id: string
  decision: Choice
  reason_code: string | null
  note: string
  told_patient: boolean
}

export interface Figures {
  asked: number
  reminders: number
  references: number
  adopted: number
  declined: number
  excused: number
  told: number
  adopted_references: number
  cited: number
  saved: string
  adoption_rate: number | null
  reasons: Record<string, number>
}

export interface Statistics {
  items: (Figures & { key: string; name: string })[]
  total: Figures
}

export interface Span {
  by: 'institution' | 'month'
  from: DateText
  to: DateText
}

const MATCHES = '/recognition/matches'
export const readChoices = () => api.get<{ items: CatalogueItem[]; reasons: Reason[] }>('/recognition/choices')
export const askRecognition = (body: Question) => api.post<MatchGroup>(MATCHES, body)
export const decideGroup = (id: string, body: { decisions: Decision[]; doctor: string; department: string }) => api.post<MatchGroup>(`${MATCHES}/${id}/decisions`, body)
export const citeMatch = (id: string, match_id: string) => api.post<MatchGroup>(`${MATCHES}/${id}/citations`, { match_id })
export const readStatistics = (span: Span) => api.get<Statistics>('/recognition/statistics', span)
export const statisticsBook = (span: Span) => address('/recognition/statistics', { ...span, format: 'xlsx' })
