/** The calipers on one paper: several are kept, one of them is in hand. */
import { computed, reactive, ref } from 'vue'
import { moved, readingOf, snap, taken, type Caliper, type End, type Interval } from './calipers'
import type { EcgSource } from './source'

export interface CaliperPlace {
  lead: number
  rhythm: boolean
}

export function createCaliperSet(source: () => EcgSource | null) {
  const all = ref<Caliper[]>([])
  const selected = ref<number | null>(null)
  const end = ref<End>(1)
  let count = 0

  const current = computed(() => all.value.find((one) => one.id === selected.value) ?? null)

  function at(lead: number, time: number): { time: number; uv: number } {
    const from = source()
    if (!from) return { time, uv: Number.NaN }
    const snapped = snap(time, from.rateHz, from.durationS)
    return { time: snapped, uv: from.valueAt(lead, snapped) }
  }

  function replace(changed: Caliper): void {
    all.value = all.value.map((one) => (one.id === changed.id ? changed : one))
  }

  function add({ lead, rhythm }: CaliperPlace, t0: number, t1: number): Caliper {
    const [a, b] = [at(lead, t0), at(lead, t1)]
    const made: Caliper = { id: (count += 1), lead, rhythm, t0: a.time, v0: a.uv, t1: b.time, v1: b.uv, march: false }
    all.value = [...all.value, made]
    selected.value = made.id
    end.value = 1
    return made
  }

  /** One end of the one in hand to a time; on its tracing unless a voltage is given. */
  function move(time: number, uv?: number): void {
    const one = current.value
    if (!one) return
    const place = at(one.lead, time)
    replace(moved(one, end.value, place.time, uv ?? place.uv))
  }

  function nudge(samples: number): boolean {
    const [one, from] = [current.value, source()]
    if (!one || !from) return false
    move((end.value === 0 ? one.t0 : one.t1) + samples / from.rateHz)
    return true
  }

  /** The whole caliper, its interval kept. */
  function carry(to: number): void {
    const [one, from] = [current.value, source()]
    if (!one || !from) return
    const length = one.t1 - one.t0
    const t0 = Math.min(Math.max(0, to, -length), from.durationS - 1 / from.rateHz - Math.max(0, length))
    const [a, b] = [at(one.lead, t0), at(one.lead, t0 + length)]
    replace({ ...one, t0: a.time, v0: a.uv, t1: b.time, v1: b.uv })
  }

  function remove(): boolean {
    if (!current.value) return false
    all.value = all.value.filter((one) => one.id !== selected.value)
    selected.value = all.value.at(-1)?.id ?? null
    return true
  }

  function march(): void {
    if (current.value) replace({ ...current.value, march: !current.value.march })
  }

  /** Filters changed: the same times, the voltages as they are shown now. */
  function reread(): void {
    all.value = all.value.map((one) => ({ ...one, v0: at(one.lead, one.t0).uv, v1: at(one.lead, one.t1).uv }))
  }

  function clear(): void {
    all.value = []
    selected.value = null
  }

  return reactive({
    all,
    selected,
    end,
    current,
    reading: computed(() => (current.value ? readingOf(current.value) : null)),
    add,
    move,
    nudge,
    carry,
    remove,
    march,
    reread,
    clear,
    take: (name: Interval) => (current.value ? taken(current.value, name) : []),
  })
}

export type CaliperSet = ReturnType<typeof createCaliperSet>
