/** What a report keeps beside its words: of an ECG its measures and statements, else templates and scores. */
import type { EcgContent } from './ecg/content'

export interface KeptScore {
  scheme: string
  inputs: ScoreInputs
  /** As the server rated it; not there until it is saved. */
  version?: string
  category?: string
  text?: string
  advice?: string
}

export type ScoreInputs = Record<string, string | string[] | number>

export interface WrittenContent {
  templates: { code: string; version: number }[]
  scores: KeptScore[]
}

export type DraftContent = EcgContent | WrittenContent

export const ecgOf = (content: DraftContent | null): EcgContent | null => (content && 'statements' in content ? content : null)
export const writtenOf = (content: DraftContent | null): WrittenContent => (content && 'templates' in content ? content : { templates: [], scores: [] })
