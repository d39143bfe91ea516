/** Where the paper has its samples from: a short recording whole, a long one in tiles. Microvolts; NaN is "not recorded". */
import { shallowRef, type ShallowRef } from 'vue'
import { api } from '@/api/client'
import { filtered, NO_FILTERS, type ViewFilters } from './filters'
import { marksOf, type MarkKind } from './quality'
import type { EcgLeadName } from './recordings'

/** `GET /examinations/{id}/ecg` */
export interface EcgSamples {
  recording_id: string
  sampling_rate_hz: number
  started_at: string | null
  duration_s: number
  from: number
  to: number
  leads: (EcgLeadName & { samples_uv: (number | null)[] })[]
}

export interface Asked {
  recording?: string
  from?: number
  to?: number
  points?: number
}

export function fetchSamples(examinationId: string, asked: Asked, signal?: AbortSignal): Promise<EcgSamples> {
  return api.get<EcgSamples>(`/examinations/${examinationId}/ecg`, asked, signal)
}

/** Consecutive values of one lead, the first at `start`. */
export interface Run {
  start: number
  step: number
  values: Float32Array
}

/** A stretch in seconds that is no tracing. */
export interface TimedMark {
  kind: MarkKind
  from: number
  to: number
}

export interface EcgSource {
  readonly leads: EcgLeadName[]
  readonly rateHz: number
  readonly durationS: number
  /** Counts up when there is something new to draw. */
  readonly version: ShallowRef<number>
  /** False where what is shown is too coarse to be filtered or measured. */
  exact: (perSecond: number) => boolean
  runs: (lead: number, from: number, to: number, perSecond: number) => Run[]
  marks: (lead: number, from: number, to: number) => TimedMark[]
  /** Microvolts at a time, as shown; NaN where nothing is known. */
  valueAt: (lead: number, time: number) => number
  filterBy: (filters: ViewFilters) => void
}

export function floats(values: (number | null)[]): Float32Array {
  const out = new Float32Array(values.length)
  for (let i = 0; i < values.length; i++) out[i] = values[i] ?? Number.NaN
  return out
}

export function timed(samples: Float32Array, rateHz: number, start: number): TimedMark[] {
  return marksOf(samples, rateHz).map(({ kind, from, to }) => ({ kind, from: start + from / rateHz, to: start + to / rateHz }))
}

export function wholeSource(answer: EcgSamples): EcgSource {
  const rateHz = answer.sampling_rate_hz
  const raw = answer.leads.map((lead) => floats(lead.samples_uv))
  const version = shallowRef(0)
  const marks: (TimedMark[] | undefined)[] = []
  let filters = NO_FILTERS
  let shown: (Float32Array | undefined)[] = []

  const view = (lead: number) => (shown[lead] ??= filtered(raw[lead]!, filters, rateHz))

  return {
    leads: answer.leads.map(({ name, derived }) => ({ name, derived })),
    rateHz,
    durationS: answer.duration_s,
    version,
    exact: () => true,
    runs: (lead) => [{ start: answer.from, step: 1 / rateHz, values: view(lead) }],
    marks: (lead, from, to) => (marks[lead] ??= timed(raw[lead]!, rateHz, answer.from)).filter((mark) => mark.to > from && mark.from < to),
    valueAt: (lead, time) => view(lead)[Math.round((time - answer.from) * rateHz)] ?? Number.NaN,
    filterBy(wanted) {
      filters = wanted
      shown = []
      version.value += 1
    },
  }
}
