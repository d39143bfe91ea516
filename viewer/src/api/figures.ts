/** The head's figures, grades of what was made, and a member's monthly sheet. */
import { address, api } from './client'
import type { Kind, Patient, Site, WorklistItem } from './types'

export const MEASURES = ['workload', 'turnaround', 'positive', 'returns', 'critical', 'quality', 'discrepancy'] as const
export type Measure = (typeof MEASURES)[number]
export type By = 'township' | 'reader' | 'modality' | 'kind' | 'priority' | 'month' | 'day' | 'hour'
export type Values = Record<string, number | null>

export interface Asked {
  by: By
  from: string
  to: string
  centre?: string
  site?: string
  modality?: string
}

export interface Line {
  key: string
  name: string
  values: Values
}

export interface FiguresAnswer {
  measure: Measure
  by: By
  columns: string[]
  /** Of which columns the examinations behind a number can be listed. */
  listed: string[]
  items: Line[]
  total: Values
}

export interface FigureChoices {
  centres: { id: string; name: string }[]
  sites: Site[]
  measures: Measure[]
  names: boolean
  patients: boolean
}

export interface FiguresNow {
  open: number
  late: number
  paused: number
  critical_open: number
  unread: number
  preliminary: number
  turnaround: Values
  quality: Values
}

export interface Page {
  items: WorklistItem[]
  next_cursor: string | null
}

export type Grade = 'A' | 'B' | 'C'
export interface GradeReason {
  code: string
  name: string
  name_en: string
}
export interface QualityGrade {
  grade: Grade
  reasons: GradeReason[]
  note: string
  graded_at: string
}
export interface TaskGrade {
  grade: QualityGrade | null
  choices: GradeReason[]
}
export interface Poor {
  examination_id: string
  task_id: string | null
  kind: Kind
  modality: string
  description: string
  accession_number: string
  patient: Patient | null
  graded_at: string
  reasons: GradeReason[]
  note: string
}
export interface QualitySheet {
  institution: Site
  month: string
  graded: number
  grades: Record<Grade, number>
  shares: Record<Grade, number | null>
  reasons: (GradeReason & { count: number })[]
  poor: Poor[]
}

const named = (asked: Asked) => ({ ...asked, centre: asked.centre || undefined, site: asked.site || undefined, modality: asked.modality || undefined })
export const readFigures = (measure: Measure, asked: Asked) => api.get<FiguresAnswer>(`/figures/${measure}`, named(asked))
export const figuresBook = (measure: Measure, asked: Asked) => address(`/figures/${measure}`, { ...named(asked), format: 'xlsx' })
export const readFigureChoices = () => api.get<FigureChoices>('/figures/choices')
export const readFiguresNow = () => api.get<FiguresNow>('/figures/now')
export const listBehind = (measure: Measure, asked: Asked, of: { column: string; key?: string; cursor?: string | null }) =>
  api.get<Page>(`/figures/${measure}/examinations`, { ...named(asked), ...of })

export const readGrade = (task: string) => api.get<TaskGrade>(`/tasks/${task}/grade`)
export const sayGrade = (task: string, body: { grade: Grade; reasons: string[]; note: string }) => api.post<TaskGrade>(`/tasks/${task}/grade`, body)
export const readMembers = () => api.get<Site[]>('/quality/members')
export const readSheet = (month: string, institution: string) => api.get<QualitySheet>('/quality/sheet', { month, institution: institution || undefined })
export const sheetBook = (month: string, institution: string) => address('/quality/sheet', { month, institution: institution || undefined, format: 'xlsx' })
