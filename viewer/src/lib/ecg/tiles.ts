/**
 * A long recording in tiles, as maps have them: level 0 is every sample, each level above covers four times the time
 * with as many values (minimum and maximum of each stretch). Only what is looked at is fetched; the oldest is forgotten.
 */
import { shallowRef, type ShallowRef } from 'vue'
import { filtered, NO_FILTERS, type ViewFilters } from './filters'
import type { EcgLeadName } from './recordings'
import { floats, timed, type Asked, type EcgSamples, type EcgSource, type Run, type TimedMark } from './source'

/** Values of a lead in one tile: 16 s at 256 Hz. */
export const TILE = 4096
const STEP_UP = 4
/** A dozen screens of three leads are 3 MB. */
export const MOST_TILES = 64
const AT_ONCE = 3
/** What was wanted longest ago and has not been asked for yet is no longer wanted. */
const MOST_WAITING = 12
const AGAIN_MS = 3_000

interface Tile {
  start: number
  step: number
  raw: Float32Array[]
  shown: (Float32Array | undefined)[]
  /** With how many neighbours a lead was filtered. */
  beside: number
  marks: (TimedMark[] | undefined)[]
}

export interface Recording {
  leads: EcgLeadName[]
  rateHz: number
  samples: number
}

export interface TileSource extends EcgSource {
  /** How many tiles are in memory. */
  readonly held: () => number
  readonly problem: ShallowRef<unknown>
  close: () => void
}

export function tileSource(recording: Recording, ask: (asked: Asked, signal: AbortSignal) => Promise<EcgSamples>): TileSource {
  const { rateHz } = recording
  const durationS = recording.samples / rateHz
  const version = shallowRef(0)
  const problem = shallowRef<unknown>(null)
  /** In the order in which they were last used. */
  const tiles = new Map<string, Tile>()
  const waiting: { level: number; index: number; key: string }[] = []
  const running = new Set<string>()
  const failed = new Map<string, number>()
  const leaving = new AbortController()
  let filters = NO_FILTERS

  const spanOf = (level: number) => (TILE * STEP_UP ** level) / rateHz
  const keyOf = (level: number, index: number) => `${level}/${index}`

  /** The coarsest level that still has so many values a second. */
  function levelFor(perSecond: number): number {
    let level = 0
    while (TILE / spanOf(level + 1) >= perSecond && spanOf(level) < durationS) level += 1
    return level
  }

  function find(level: number, index: number): Tile | undefined {
    const key = keyOf(level, index)
    const tile = tiles.get(key)
    if (tile) {
      tiles.delete(key)
      tiles.set(key, tile)
    }
    return tile
  }

  function want(level: number, index: number): void {
    const key = keyOf(level, index)
    if (index < 0 || index * spanOf(level) >= durationS || tiles.has(key) || running.has(key)) return
    if ((failed.get(key) ?? 0) > performance.now()) return
    const at = waiting.findIndex((one) => one.key === key)
    if (at >= 0) waiting.splice(at, 1)
    waiting.push({ level, index, key })
    if (waiting.length > MOST_WAITING) waiting.shift()
    next()
  }

  function next(): void {
    while (running.size < AT_ONCE && waiting.length > 0) {
      const { level, index, key } = waiting.pop()!
      running.add(key)
      void fetchTile(level, index, key)
    }
  }

  async function fetchTile(level: number, index: number, key: string): Promise<void> {
    const span = spanOf(level)
    const from = index * span
    const to = Math.min(durationS, from + span)
    try {
      const answer = await ask({ from: round(from), to: round(to), points: level === 0 ? undefined : TILE }, leaving.signal)
      if (leaving.signal.aborted) return
      keep(key, level, answer)
      problem.value = null
    } catch (error) {
      if (leaving.signal.aborted) return
      failed.set(key, performance.now() + AGAIN_MS)
      setTimeout(() => (version.value += 1), AGAIN_MS + 10)
      problem.value = error
    } finally {
      running.delete(key)
      if (!leaving.signal.aborted) next()
    }
  }

  function keep(key: string, level: number, answer: EcgSamples): void {
    const count = answer.leads[0]?.samples_uv.length ?? 0
    const step = level === 0 ? 1 / rateHz : (answer.to - answer.from) / Math.max(1, count)
    tiles.set(key, { start: answer.from, step, raw: answer.leads.map((lead) => floats(lead.samples_uv)), shown: [], beside: 0, marks: [] })
    for (const oldest of tiles.keys()) {
      if (tiles.size <= MOST_TILES) break
      tiles.delete(oldest)
    }
    version.value += 1
  }

  /** Filtered together with what stands on both sides, so that the seam of two tiles is no seam. */
  function filteredTile(index: number, tile: Tile, lead: number): Float32Array {
    const [left, right] = [tiles.get(keyOf(0, index - 1)), tiles.get(keyOf(0, index + 1))]
    const beside = Number(Boolean(left)) + Number(Boolean(right))
    if (beside !== tile.beside) [tile.shown, tile.beside] = [[], beside]
    return (tile.shown[lead] ??= filterBetween(left?.raw[lead], tile.raw[lead]!, right?.raw[lead]))
  }

  function filterBetween(left: Float32Array | undefined, middle: Float32Array, right: Float32Array | undefined): Float32Array {
    const before = left?.length ?? 0
    const joined = new Float32Array(before + middle.length + (right?.length ?? 0))
    if (left) joined.set(left)
    joined.set(middle, before)
    if (right) joined.set(right, before + middle.length)
    const seen = filtered(joined, filters, rateHz)
    return seen === joined ? middle : seen.slice(before, before + middle.length)
  }

  /** The tile of this level, or of the next coarser one that is there already, so that nothing is ever blank for long. */
  function best(level: number, index: number, lead: number): Run | undefined {
    const exact = find(level, index)
    if (exact) return { start: exact.start, step: exact.step, values: level === 0 ? filteredTile(index, exact, lead) : exact.raw[lead]! }
    const middle = (index + 0.5) * spanOf(level)
    for (let above = level + 1; above <= level + 8; above++) {
      const tile = find(above, Math.floor(middle / spanOf(above)))
      if (!tile) continue
      const first = Math.max(0, Math.floor((index * spanOf(level) - tile.start) / tile.step))
      const last = Math.ceil(((index + 1) * spanOf(level) - tile.start) / tile.step)
      return { start: tile.start + first * tile.step, step: tile.step, values: tile.raw[lead]!.subarray(first, last) }
    }
    return undefined
  }

  function indices(level: number, from: number, to: number): number[] {
    const span = spanOf(level)
    const first = Math.max(0, Math.floor(from / span))
    const last = Math.min(Math.ceil(durationS / span), Math.ceil(to / span))
    return Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i)
  }

  function runs(lead: number, from: number, to: number, perSecond: number): Run[] {
    const level = levelFor(perSecond)
    const here = indices(level, from, to)
    if (here.length) {
      // What was wanted last is fetched first.
      for (const beside of [here[0]! - 1, here.at(-1)! + 1]) want(level, beside)
      for (const index of here) want(level, index)
    }
    return here.map((index) => best(level, index, lead)).filter((run) => run !== undefined)
  }

  function marks(lead: number, from: number, to: number): TimedMark[] {
    return indices(0, from, to).flatMap((index) => {
      const tile = tiles.get(keyOf(0, index))
      if (!tile) return []
      return (tile.marks[lead] ??= timed(tile.raw[lead]!, rateHz, tile.start)).filter((mark) => mark.to > from && mark.from < to)
    })
  }

  function valueAt(lead: number, time: number): number {
    const index = Math.floor(time / spanOf(0))
    const tile = tiles.get(keyOf(0, index))
    return tile ? (filteredTile(index, tile, lead)[Math.round((time - tile.start) * rateHz)] ?? Number.NaN) : Number.NaN
  }

  return {
    leads: recording.leads,
    rateHz,
    durationS,
    version,
    problem,
    exact: (perSecond) => levelFor(perSecond) === 0,
    runs,
    marks,
    valueAt,
    filterBy(wanted: ViewFilters) {
      filters = wanted
      for (const tile of tiles.values()) tile.shown = []
      version.value += 1
    },
    held: () => tiles.size,
    close: () => {
      leaving.abort()
      tiles.clear()
      waiting.length = 0
    },
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e6
}
