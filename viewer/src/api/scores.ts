/** Structured scores: published schemes with their inputs, rated by the server. */
import type { ScoreInputs } from '@/lib/written'
import { api } from './client'

export interface ScoreOption {
  value: string
  zh: string
  en: string
}

export interface ScoreInput {
  name: string
  zh: string
  en: string
  kind: 'choice' | 'many' | 'number'
  options: ScoreOption[]
  unit: string
  low: number
  high: number
  required: boolean
  when: Record<string, string[]> | null
}

export interface Scheme {
  code: string
  version: string
  zh: string
  en: string
  source: string
  modalities: string[]
  body_parts: string[]
  inputs: ScoreInput[]
}

export interface Rated {
  scheme: string
  version: string
  inputs: ScoreInputs
  category: string
  points: number | null
  text: string
  text_en: string
  advice: string
  advice_en: string
}

let read: Promise<Scheme[]> | null = null

/** They change with the product alone. */
export function readSchemes(): Promise<Scheme[]> {
  read ??= api.get<Scheme[]>('/scores').catch((error: unknown) => {
    read = null
    throw error
  })
  return read
}

export const rate = (scheme: string, inputs: ScoreInputs): Promise<Rated> => api.post<Rated>(`/scores/${scheme}`, { inputs })
