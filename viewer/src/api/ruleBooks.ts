/** Rule books, whatever they are about: versions of a content, one of each book and scope live. */
import { api } from './client'
import type { Person, Time } from './types'

export interface VersionLine {
  id: string
  version: number
  state: 'draft' | 'live' | 'retired'
  note: string
  made_at: Time
  made_by: Person | null
  live_at: Time | null
  live_by: Person | null
  tried: boolean
  /** What was live when it was begun; 0: nothing was. */
  begun_from: number
  changed_at: Time | null
  changed_by: Person | null
}

export interface Version<Content, Run> extends VersionLine {
  /** Which words these are: whoever writes says which ones they have read. */
  revision: string
  content: Content
  dry_run: Run | null
}

export interface Book<Content> {
  items: VersionLine[]
  in_force: Content
  may_set: boolean
  /** What the last change still does. */
  stand: Record<string, number>
}

/** What is told of a dry run, line by line. */
export type Told<Content, Run> = { done: number; of: number; rules?: undefined; failed?: undefined } | { rules: Version<Content, Run>; failed?: undefined } | { rules?: undefined; failed: string }

export const readBook = <C>(book: string, centre: string) => api.get<Book<C>>(`/rules/${book}`, { centre: centre || undefined })
export const readVersion = <C, R>(book: string, id: string) => api.get<Version<C, R>>(`/rules/${book}/${id}`)
export const makeDraft = <C, R>(book: string, centre: string, begun: { content?: C; note?: string; begun_from?: number } = {}) => api.post<Version<C, R>>(`/rules/${book}`, begun, { query: { centre: centre || undefined } })
export const keepDraft = <C, R>(book: string, id: string, content: C, note: string, revision: string) => api.put<Version<C, R>>(`/rules/${book}/${id}`, { content, note }, { ifMatch: revision })
/** `replaces`: the version that is live as this person knows it. */
export const letLive = <C, R>(book: string, id: string, revision: string, replaces: number) => api.post<Version<C, R>>(`/rules/${book}/${id}/go-live`, { replaces }, { ifMatch: revision })
export const dryRun = (book: string, id: string) => `/rules/${book}/${id}/dry-run`
