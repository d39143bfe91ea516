/** An earlier ECG of the same patient to lay beside or under this one. */
import { computed, effectScope, onScopeDispose, shallowRef, watch, type EffectScope, type Ref } from 'vue'
import { useSamples } from './opening'
import { useEcgRecordings, type EcgRecordings } from './recordings'

interface Earlier {
  recordings: EcgRecordings
  samples: ReturnType<typeof useSamples>
}

export function useEarlier(examinationId: Ref<string | null>) {
  const opened = shallowRef<Earlier | null>(null)
  let scope: EffectScope | null = null

  watch(
    examinationId,
    (id) => {
      scope?.stop()
      scope = null
      opened.value = null
      if (!id) return
      scope = effectScope(true)
      opened.value = scope.run(() => ({ recordings: useEcgRecordings(id), samples: useSamples(id) }))!
      void opened.value.samples.open()
    },
    { immediate: true },
  )
  onScopeDispose(() => scope?.stop())

  return {
    source: computed(() => opened.value?.samples.source.value ?? null),
    startedAt: computed(() => opened.value?.samples.startedAt.value ?? null),
    peaks: computed(() => opened.value?.recordings.current?.proposal?.r_peaks_s ?? []),
    problem: computed(() => opened.value?.samples.problem.value ?? opened.value?.recordings.problem ?? null),
    empty: computed(() => opened.value?.samples.empty.value ?? false),
  }
}
