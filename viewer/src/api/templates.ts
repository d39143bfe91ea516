/** A centre's book of templates: its content, what a dry run says, matching, files. */
import { api } from './client'
import type { Version } from './ruleBooks'
import type { Phrase, Slot } from './types'

interface Entry {
  code: string
  name: string
  initials: string
  modalities: string[]
  body_parts: string[]
  sex: '' | 'F' | 'M'
  slots: Slot[]
}

export interface TemplateEntry extends Entry {
  normal: boolean
  findings: string
  impression: string
  score: string
}

export interface PhraseEntry extends Entry {
  text: string
  into: 'findings' | 'impression' | 'both'
}

export interface TemplatesContent {
  templates: TemplateEntry[]
  phrases: PhraseEntry[]
}

export interface TemplatesRun {
  tasks: number
  offered: number
  with_normal: number
  normal: { code: string; name: string; tasks: number }[]
  gaps: { modality: string; body_part: string; sex: string; tasks: number }[]
}

export interface Match {
  body_parts: string[]
  normal: string | null
  items: Phrase[]
}

export interface BodyPart {
  code: string
  zh: string
  en: string
}

export const readBodyParts = () => api.get<BodyPart[]>('/body-parts')
export const match = (centre: string, version: string | undefined, about: Record<string, string>) => api.get<Match>('/templates/match', { centre, version, ...about })
export const fileOf = (centre: string, version: string | undefined, format: 'xlsx' | 'json') => `/api/v1/templates/export?${new URLSearchParams({ centre, format, ...(version ? { version } : {}) })}`

export function importFile(centre: string, file: File): Promise<Version<TemplatesContent, TemplatesRun>> {
  const form = new FormData()
  form.append('file', file)
  return api.post<Version<TemplatesContent, TemplatesRun>>('/templates/import', form, { query: { centre } })
}
