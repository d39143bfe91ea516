/** Where waves begin and end as others propose it, drawn faintly when asked for, and the axis of what is on the screen. */
import { computed, ref, type ComputedRef, type Ref } from 'vue'
import { t } from '@/i18n'
import { ABOUT_R, axis, netArea } from './beats'
import type { Fiducial } from './drawCalipers'
import type { View } from './layout'
import type { EcgProposal } from './recordings'
import type { EcgSource } from './source'

interface Marked {
  source: Readonly<Ref<EcgSource | null>>
  proposal: Readonly<Ref<EcgProposal | null>>
  peaks: Readonly<Ref<readonly number[]>>
  view: ComputedRef<View>
  exact: Readonly<Ref<boolean>>
}

export function useWaveMarks({ source, proposal, peaks, view, exact }: Marked) {
  const proposing = ref(false)

  const fiducials = computed<Fiducial[]>(() => {
    if (!proposing.value) return []
    const found = proposal.value?.fiducials
    const waves = found ? ([['P', found.p_on_s], ['', found.p_off_s], ['Q', found.qrs_on_s], ['J', found.qrs_off_s], ['T', found.t_off_s]] as const) : ([['R', 0]] as const)
    const [from, to] = [view.value.from - 1, view.value.from + view.value.span + 1]
    return peaks.value.filter((time) => time >= from && time <= to).flatMap((peak) => waves.flatMap(([name, at]) => (at === null ? [] : [{ name, time: peak + at }])))
  })

  const ownAxis = computed(() => {
    const shown = source.value
    if (!proposing.value || !shown || !exact.value) return null
    void shown.version.value
    const [one, avf] = ['I', 'aVF'].map((name) => areaIn(shown, shown.leads.findIndex((lead) => lead.name === name)))
    const degrees = typeof one === 'number' && typeof avf === 'number' ? axis(one, avf) : null
    return degrees === null ? null : Math.round(degrees)
  })

  function areaIn(shown: EcgSource, lead: number): number | null {
    if (lead < 0) return null
    const found = proposal.value?.fiducials
    const qrs = found ? { on: found.qrs_on_s, off: found.qrs_off_s } : ABOUT_R
    const seen = peaks.value.filter((time) => time >= view.value.from && time <= view.value.from + view.value.span)
    return netArea((time) => shown.valueAt(lead, time), shown.rateHz, seen, qrs)
  }

  const proposedBy = computed(() => {
    const by = proposal.value?.source ?? ''
    const known = (['cart', 'computed'] as const).find((one) => by.startsWith(one))
    return known ? t(`ecg.fiducials.source.${known}`) : by
  })

  return { proposing, fiducials, ownAxis, proposedBy }
}
