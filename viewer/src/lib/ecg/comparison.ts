/** An earlier ECG of the same patient, beside or over the one that is read, beats aligned, at the same scale. */
import { computed, ref, watch, type ComputedRef, type Ref } from 'vue'
import type { Prior } from '@/api/types'
import { alignedBeats, alignment } from './beats'
import { useEarlier } from './earlier'
import { arrange, type Panel, type View } from './layout'
import type { EcgSettings } from './settings'

interface Asked {
  priors: Prior[]
  /** The study that the page compares with; undefined where it does not say. */
  comparing?: string | null
}

interface Shown {
  peaks: Readonly<Ref<readonly number[]>>
  view: ComputedRef<View>
  settings: EcgSettings
}

export function useComparison(asked: Asked, tell: (study: string | null) => void, { peaks, view, settings }: Shown) {
  const priorEcgs = computed(() => asked.priors.filter((one) => one.kind === 'ecg').sort((a, b) => (b.studied_at ?? '').localeCompare(a.studied_at ?? '')))
  const comparing = ref<string | null>(null)
  watch(
    () => asked.comparing,
    (study) => {
      if (study !== undefined) comparing.value = priorEcgs.value.find((one) => study && one.study_instance_uid === study)?.examination_id ?? null
    },
    { immediate: true },
  )

  function compareWith(examinationId: string | null): void {
    comparing.value = examinationId
    tell(priorEcgs.value.find((one) => one.examination_id === examinationId)?.study_instance_uid ?? null)
  }

  /** The next older one, after the oldest none. */
  function nextEarlier(): void {
    const all = [null, ...priorEcgs.value.map((one) => one.examination_id)]
    compareWith(all[(all.indexOf(comparing.value) + 1) % all.length] ?? null)
  }

  const earlier = useEarlier(comparing)
  watch([earlier.source, () => settings.filters], () => earlier.source.value?.filterBy(settings.filters))
  const rows = computed(() => arrange(earlier.source.value?.leads.map((lead) => lead.name) ?? [], settings.layout, settings.rhythm))
  /** What is added to a time of this one to be at the same place of a beat of the earlier one; null where beats are unknown. */
  const shift = computed(() => alignment(peaks.value, earlier.peaks.value, view.value.from, view.value.from + view.value.span))

  const beneath = computed(() => {
    const old = earlier.source.value
    if (!old || settings.beside !== 'over') return null
    return {
      source: old,
      leadOf: (name: string) => old.leads.findIndex((lead) => lead.name === name.replace('−', '')),
      stretches: (panel: Panel) => alignedBeats(peaks.value, earlier.peaks.value, panel.from, panel.to, shift.value ?? 0),
    }
  })
  const below = computed(() => (settings.beside === 'below' ? earlier.source.value : null))
  const belowView = computed(() => ({ ...view.value, from: view.value.from + (shift.value ?? 0) }))

  return { priorEcgs, comparing, compareWith, nextEarlier, earlier, rows, shift, beneath, below, belowView }
}
