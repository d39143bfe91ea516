/** How this person looks at an ECG. Layout and filters are remembered; every ECG opens at 25 mm/s and 10 mm/mV. */
import { reactive, ref } from 'vue'
import { remembered } from '@/lib/remembered'
import { BASELINES, LOW_PASSES, NO_FILTERS, NOTCHES, type ViewFilters } from './filters'
import { LAYOUTS, type LayoutName } from './layout'

export const SPEEDS = [12.5, 25, 50] as const
export const GAINS = [5, 10, 20] as const
export type Speed = (typeof SPEEDS)[number]
export type Gain = (typeof GAINS)[number]

function after<T>(list: readonly T[], now: T): T {
  return list[(list.indexOf(now) + 1) % list.length]!
}

export function useEcgSettings() {
  const layout = remembered<LayoutName>('gateway.ecg.layout', '3x4')
  const filters = remembered<ViewFilters>('gateway.ecg.filters', { ...NO_FILTERS })
  const size = remembered<'fit' | 'true'>('gateway.ecg.size', 'fit')
  const rhythm = remembered<string>('gateway.ecg.rhythm', 'II')
  const beside = remembered<'over' | 'below'>('gateway.ecg.beside', 'below')
  const speed = ref<Speed>(25)
  const gain = ref<Gain>(10)
  if (!LAYOUTS.includes(layout.value)) layout.value = '3x4'

  const set = (part: Partial<ViewFilters>) => (filters.value = { ...filters.value, ...part })

  return reactive({
    layout,
    filters,
    size,
    rhythm,
    beside,
    speed,
    gain,
    set,
    nextSpeed: () => (speed.value = after(SPEEDS, speed.value)),
    nextGain: () => (gain.value = after(GAINS, gain.value)),
    nextNotch: () => set({ notchHz: after(NOTCHES, filters.value.notchHz) }),
    nextBaseline: () => set({ baselineHz: after(BASELINES, filters.value.baselineHz) }),
    nextLowPass: () => set({ lowPassHz: after(LOW_PASSES, filters.value.lowPassHz) }),
  })
}

export type EcgSettings = ReturnType<typeof useEcgSettings>
