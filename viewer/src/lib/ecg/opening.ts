/** Opens the samples of a recording: the first seconds at once, before anything else is known of it. */
import { onScopeDispose, ref, shallowRef } from 'vue'
import { fetchSamples, wholeSource, type Asked, type EcgSamples, type EcgSource } from './source'
import { tileSource, type TileSource } from './tiles'
import { turns } from '../turns'

/** Longer than any ECG at rest, so that one is there with the first answer. */
const AHEAD_S = 15
/** Values of all leads that are fetched whole: a minute of twelve leads. */
const WHOLE_VALUES = 400_000

/** Asked for before the page that shows it is there. */
const early = new Map<string, Promise<EcgSamples>>()
const EARLY_MS = 10_000

function askAhead(examinationId: string, recording?: string): Promise<EcgSamples> {
  return fetchSamples(examinationId, { recording, from: 0, to: AHEAD_S })
}

/** The first seconds of the newest recording, while the rest of the page is still on its way. */
export function openEarly(examinationId: string): void {
  if (early.has(examinationId)) return
  const asked = askAhead(examinationId)
  // Whoever opens it hears of a failure; nobody else has to.
  asked.catch(() => undefined)
  early.set(examinationId, asked)
  setTimeout(() => early.delete(examinationId), EARLY_MS)
}

function takeEarly(examinationId: string): Promise<EcgSamples> | undefined {
  const asked = early.get(examinationId)
  early.delete(examinationId)
  return asked
}

export function useSamples(examinationId: string) {
  const source = shallowRef<EcgSource | null>(null)
  const tiles = shallowRef<TileSource | null>(null)
  const recordingId = ref<string | null>(null)
  const startedAt = ref<string | null>(null)
  /** A document, or a recording without any lead. */
  const empty = ref(false)
  const problem = shallowRef<unknown>(null)
  const begin = turns()

  async function open(wanted?: string): Promise<void> {
    const isLast = begin()
    problem.value = null
    try {
      const ahead = await ((wanted ? undefined : takeEarly(examinationId)) ?? askAhead(examinationId, wanted))
      performance.mark('ecg-answered')
      const whole = await complete(ahead)
      if (isLast()) show(ahead, whole)
    } catch (error) {
      if (isLast()) problem.value = error
    }
  }

  /** Everything, when it is little enough; else null. */
  async function complete(ahead: EcgSamples): Promise<EcgSamples | null> {
    if (ahead.duration_s <= ahead.to + 1 / ahead.sampling_rate_hz) return ahead
    if (ahead.duration_s * ahead.sampling_rate_hz * ahead.leads.length > WHOLE_VALUES) return null
    return fetchSamples(examinationId, { recording: ahead.recording_id })
  }

  function show(ahead: EcgSamples, whole: EcgSamples | null): void {
    tiles.value?.close()
    tiles.value = null
    recordingId.value = ahead.recording_id
    startedAt.value = ahead.started_at
    empty.value = ahead.leads.length === 0
    if (empty.value) source.value = null
    else if (whole) source.value = wholeSource(whole)
    else source.value = tiles.value = inTiles(ahead)
  }

  function inTiles(ahead: EcgSamples): TileSource {
    const leads = ahead.leads.map(({ name, derived }) => ({ name, derived }))
    const samples = Math.round(ahead.duration_s * ahead.sampling_rate_hz)
    const ask = (asked: Asked, signal: AbortSignal) => fetchSamples(examinationId, { ...asked, recording: ahead.recording_id }, signal)
    return tileSource({ leads, rateHz: ahead.sampling_rate_hz, samples }, ask)
  }

  onScopeDispose(() => {
    begin()
    tiles.value?.close()
  })
  return { source, tiles, recordingId, startedAt, empty, problem, open }
}
