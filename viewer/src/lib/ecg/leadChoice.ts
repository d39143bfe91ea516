/** The lead that the keyboard measures on, and where a caliper is placed on it. */
import { computed, ref, watch, type ComputedRef, type Ref } from 'vue'
import type { CaliperPlace, CaliperSet } from './caliperSet'
import { rhythmLead, type Slot, type View } from './layout'
import type { EcgSettings } from './settings'
import type { EcgSource } from './source'

/** Half of two large squares at 25 mm/s. */
const HALF_S = 0.2

interface Sheet {
  source: Readonly<Ref<EcgSource | null>>
  rows: Readonly<Ref<Slot[][]>>
  settings: EcgSettings
  view: ComputedRef<View>
  peaks: Readonly<Ref<readonly number[]>>
  calipers: CaliperSet
  exact: Readonly<Ref<boolean>>
}

export function useLeadChoice({ source, rows, settings, view, peaks, calipers, exact }: Sheet) {
  const chosen = ref<CaliperPlace | null>(null)
  const places = computed<CaliperPlace[]>(() => rows.value.flat().filter((one) => one.lead >= 0).map(({ lead, rhythm }) => ({ lead, rhythm })))
  watch(places, () => (chosen.value = null))

  function home(): CaliperPlace | undefined {
    const names = source.value?.leads.map((lead) => lead.name) ?? []
    const rhythm = rhythmLead(names, settings.rhythm)
    return places.value.find((one) => one.rhythm) ?? places.value.find((one) => names[one.lead] === rhythm) ?? places.value[0]
  }

  function nextLead(step: number): void {
    const all = places.value
    if (!all.length) return
    const at = all.findIndex((one) => one.lead === chosen.value?.lead && one.rhythm === chosen.value.rhythm)
    chosen.value = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length]!
  }

  /** From one beat to the next where beats are known, else over two large squares in the middle. */
  function placeCaliper(): void {
    if (!source.value || !exact.value) return
    const place = chosen.value ?? home()
    if (!place) return
    chosen.value = place
    const slot = rows.value.flat().find((one) => one.lead === place.lead && one.rhythm === place.rhythm)!
    const length = view.value.span / slot.parts
    const from = view.value.from + slot.part * length
    const inside = peaks.value.filter((time) => time >= from && time <= from + length)
    const middle = from + length / 2
    const [t0, t1] = inside.length > 1 ? [inside[0]!, inside[1]!] : [middle - HALF_S, middle + HALF_S]
    calipers.add(place, t0, t1)
  }

  return { chosen, nextLead, placeCaliper }
}
