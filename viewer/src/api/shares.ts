/** Codes by which a report is read without signing in. */
import { api } from './client'
import type { Person, Site, Time } from './types'

export type SharePaper = 'a5' | 'roll'

export interface Share {
  id: string
  institution: Site
  asks: 'card' | 'birth_date'
  state: 'standing' | 'expired' | 'revoked'
  revoked_because: 'replaced' | 'withdrawn' | 'guessed' | null
  made_at: Time
  /** Null: made by itself. */
  made_by: Person | null
  expires_at: Time
  opened_at: Time | null
  opened_count: number
  opened_version: number | null
  acknowledged_at: Time | null
  acknowledged_as: 'village_doctor' | 'patient' | 'family' | null
  acknowledged_name: string
  acknowledged_version: number | null
}

/** A share with its code; `qr` is an SVG. */
export interface ShareCode {
  share: Share
  code: string
  address: string
  qr: string
}

export const showCode = (reportId: string, anew = false) => api.post<ShareCode>(`/reports/${encodeURIComponent(reportId)}/share`, { anew })
export const revokeShare = (shareId: string) => api.delete(`/shares/${shareId}`)
export const slipAddress = (shareId: string, paper: SharePaper) => `/api/v1/shares/${shareId}/slip?paper=${paper}`
