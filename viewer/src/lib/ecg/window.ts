/** Which stretch of the recording is on the paper, and how large: speed, room and the way that was panned and zoomed. */
import { computed, ref, watch, type Ref } from 'vue'
import { LEFT, type Slot, type View } from './layout'
import { measuredPxPerMm, NOMINAL_PX_PER_MM } from './screen'
import type { EcgSettings } from './settings'
import type { EcgSource } from './source'

/** One page of paper; a recording a little longer is shown whole. */
const PAGE_S = 10
const WHOLE_S = 12
/** Below this part of its size a tracing is no longer read but guessed: then the paper scrolls. */
const SMALLEST = 0.55
/** On a large screen the paper grows until it fills it, within what is still a tracing and not a poster. */
const LARGEST = 1.5
/** Right of the tracing. */
const RIGHT = 2
/** With fewer millimetres a second squares mean nothing any more. */
const SQUARES_MM_S = 5
const SPANS = [30, 60, 300, 900, 3600, 21_600, 86_400]

export interface Room {
  width: number
  height: number
}

export function useWindow(source: Ref<EcgSource | null>, rows: Ref<Slot[][]>, settings: EcgSettings, room: Ref<Room>) {
  const from = ref(0)
  /** Seconds on the paper where it does not follow from the speed. */
  const zoomed = ref<number | null>(null)
  const trueK = computed(() => measuredPxPerMm() ?? NOMINAL_PX_PER_MM)
  const durationS = computed(() => source.value?.durationS ?? 0)
  const long = computed(() => durationS.value > WHOLE_S)
  /** Rows of one lead each, of a long recording: as much of it as the screen is wide. */
  const strip = computed(() => long.value && rows.value.every((row) => row.length <= 1))

  const innerMm = computed(() => Math.max(20, room.value.width / trueK.value - LEFT - RIGHT))
  const span = computed(() => {
    if (!strip.value) return long.value ? PAGE_S : durationS.value
    return Math.min(zoomed.value ?? innerMm.value / settings.speed, durationS.value)
  })
  const speed = computed(() => (strip.value && zoomed.value ? innerMm.value / span.value : settings.speed))
  const sheetMm = computed(() => LEFT + span.value * speed.value + RIGHT)
  const k = computed(() => {
    if (strip.value || settings.size === 'true') return trueK.value
    return Math.max(trueK.value * SMALLEST, Math.min(trueK.value * LARGEST, room.value.width / sheetMm.value))
  })
  const ruled = computed(() => speed.value < SQUARES_MM_S)
  const view = computed<View>(() => ({ from: Math.min(from.value, last()), span: span.value, speed: speed.value }))

  function last(): number {
    return Math.max(0, durationS.value - span.value)
  }
  function go(time: number): void {
    from.value = Math.min(last(), Math.max(0, time))
  }
  function pan(seconds: number): void {
    go(view.value.from + seconds)
  }

  /** One step in (-1) or out (+1); the moment under the pointer stays where it is. */
  function zoom(steps: number, about = view.value.from + view.value.span / 2): void {
    if (!strip.value) return
    const own = innerMm.value / settings.speed
    const ladder = [null, ...SPANS.filter((one) => one > own * 1.5 && one < durationS.value), ...(durationS.value > own ? [durationS.value] : [])]
    const at = Math.max(0, ladder.findIndex((one) => one === zoomed.value))
    const share = (about - view.value.from) / view.value.span
    zoomed.value = ladder[Math.min(ladder.length - 1, Math.max(0, at + steps))] ?? null
    go(about - share * span.value)
  }

  watch(source, () => {
    from.value = 0
    zoomed.value = null
  })

  return { view, k, trueK, long, strip, ruled, zoomed, go, pan, zoom, share: computed(() => k.value / trueK.value), calibrated: computed(() => measuredPxPerMm() !== null) }
}
