/** The ECG recordings of an examination: what is known of each without its samples, and which of them is shown now. */
import { effectScope, onScopeDispose, reactive, type EffectScope } from 'vue'
import { api } from '@/api/client'
import { onChanged } from '@/api/live'
import type { Time } from '@/api/types'

export interface EcgLeadName {
  name: string
  /** Calculated from others, not recorded. */
  derived: boolean
}

/** What the cart had applied before it wrote the samples; null where it does not say. */
export interface EcgFilters {
  high_pass_hz: number | null
  low_pass_hz: number | null
  notch_hz: number | null
}

export interface EcgCartMeasurements {
  heart_rate_bpm: number | null
  rr_ms: number | null
  p_ms: number | null
  pr_ms: number | null
  qrs_ms: number | null
  qt_ms: number | null
  qtc_ms: number | null
  qtc_formula: string
  p_axis_deg: number | null
  qrs_axis_deg: number | null
  t_axis_deg: number | null
}

export interface EcgDescription {
  format: string
  leads: EcgLeadName[]
  sampling_rate_hz: number
  samples: number
  started_at: Time | null
  patient: { patient_id: string; name: string; sex: string; birth_date: string | null; age_years: number | null }
  device: { manufacturer: string; model: string; serial_number: string; software: string; institution: string }
  filters: EcgFilters
  measurements: EcgCartMeasurements
  /** The cart's own interpretation, a line each. */
  statements: string[]
  acute: boolean
  accession_number: string
  cautions: { code: string; about: string }[]
  document: { media_type: string; pages: number | null } | null
}

export type QtcFormula = 'bazett' | 'fridericia' | 'framingham' | 'hodges'

/** Never more than a proposal: it carries where it came from. */
export interface EcgProposal {
  source: string
  measurements: Omit<EcgCartMeasurements, 'qtc_ms' | 'qtc_formula'> & { qtc: Partial<Record<QtcFormula, number | null>> }
  r_peaks_s: number[]
  regular: boolean | null
  /** Of the median beat, in seconds from its R peak. */
  fiducials: { p_on_s: number | null; p_off_s: number | null; qrs_on_s: number; qrs_off_s: number; t_off_s: number | null } | null
}

export interface EcgRecordingItem {
  recording_id: string
  filename: string | null
  wire: string | null
  received_at: Time
  /** Null while nobody has looked into it, or when `problem` says why nobody can. */
  description: EcgDescription | null
  proposal: EcgProposal | null
  problem: string
  /** Of an ECG that came as a page: the page. */
  document_url: string | null
}

/** What a caliper hands to the report. */
export interface Measured {
  name: 'pr_ms' | 'qrs_ms' | 'qt_ms' | 'rr_ms' | 'heart_rate_bpm' | 'p_ms'
  value: number
  source: 'caliper'
}

export interface EcgRecordings {
  /** The newest first; null until they are known. */
  recordings: EcgRecordingItem[] | null
  current: EcgRecordingItem | null
  problem: unknown
  /** How many came since this page opened; nothing changes under the reader's eyes. */
  fresh: number
  choose: (recordingId: string) => void
  load: () => Promise<void>
}

interface Shared {
  state: EcgRecordings
  scope: EffectScope
  users: number
}

const shared = new Map<string, Shared>()

function open(examinationId: string): Shared {
  const state: EcgRecordings = reactive<EcgRecordings>({ recordings: null, current: null, problem: null, fresh: 0, choose, load })

  function choose(recordingId: string): void {
    const chosen = state.recordings?.find((one) => one.recording_id === recordingId)
    if (!chosen) return
    state.current = chosen
    state.fresh = 0
  }

  async function load(): Promise<void> {
    try {
      const answer = await api.get<EcgRecordingItem[]>(`/examinations/${examinationId}/ecg/recordings`)
      const known = new Set((state.recordings ?? answer).map((one) => one.recording_id))
      state.fresh += answer.filter((one) => !known.has(one.recording_id)).length
      state.recordings = answer
      const shown = state.current?.recording_id
      state.current = answer.find((one) => one.recording_id === shown) ?? answer[0] ?? null
      state.problem = null
    } catch (error) {
      state.problem = error
    }
  }

  const scope = effectScope(true)
  scope.run(() => onChanged(['worklist'], () => void load()))
  void load()
  return { state, scope, users: 0 }
}

/** One list for everybody on the page who looks at the same examination; it ends with the last of them. */
export function useEcgRecordings(examinationId: string): EcgRecordings {
  const one = shared.get(examinationId) ?? open(examinationId)
  shared.set(examinationId, one)
  one.users += 1
  onScopeDispose(() => {
    one.users -= 1
    if (one.users > 0) return
    one.scope.stop()
    shared.delete(examinationId)
  })
  return one.state
}
