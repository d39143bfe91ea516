/** Whether a report is genuine, for anybody who holds it. */
import { api } from './client'
import type { Time } from './types'

export type ReportState = 'signed' | 'superseded' | 'void'

export interface Version {
  version: number
  state: ReportState
  signed_at: Time
  signed_by: string
}

export interface Verification {
  valid: boolean
  code: string
  number: string
  version: number
  state: ReportState
  signed_at: Time
  signed_by: string
  centre: string
  site: string
  patient: string
  pdf_sha256: string | null
  originals: number
  versions: Version[]
}

export interface CertificateFacts {
  name: string
  institution: string | null
  issuer: string
  serial: string
  starts_at: Time
  ends_at: Time
  sha256: string
}

export type SignatureProblem = 'unreadable' | 'unsigned' | 'changed' | 'added_to' | 'untrusted' | 'stamp_untrusted'

export interface Signature {
  valid: boolean
  problem: SignatureProblem | null
  level: string | null
  certificate: CertificateFacts | null
  signed_at: Time | null
  stamp: { at: Time; authority: string; trusted: boolean } | null
}

export interface Seal {
  valid: boolean
  algorithm: string
  sealed_at: Time
  certificate: CertificateFacts | null
}

export interface DocumentCheck {
  made: boolean
  signature: Signature | null
  seal: Seal | null
}

export interface OriginalsCheck {
  sound: number
  replaced: number
  changed: number
  missing: number
}

export interface FileCheck {
  sha256: string
  report: Verification | null
  signature: Signature
}

const of = (code: string) => `/verifications/${encodeURIComponent(code)}`

export const findReport = (code: string) => api.get<Verification>(of(code))
export const checkSignature = (code: string) => api.get<DocumentCheck>(`${of(code)}/signature`)
export const compareOriginals = (code: string) => api.post<OriginalsCheck>(`${of(code)}/originals`)
export const checkFile = (file: Blob) => api.post<FileCheck>('/verifications/documents', file)
export const sealAddress = (code: string) => `/api/v1${of(code)}/seal`
