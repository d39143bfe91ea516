import { describe, expect, it, vi } from 'vitest'
import { NO_FILTERS } from './filters'
import type { Asked, EcgSamples } from './source'
import { MOST_TILES, TILE, tileSource } from './tiles'

const RATE = 256
const HOURS_24 = 24 * 3600 * RATE
const LEADS = [{ name: 'MLII', derived: false }, { name: 'V5', derived: false }]
const truth = (sample: number) => Math.round(1000 * Math.sin(sample / 37))

/** What the gateway answers, calculated. */
function answer({ from = 0, to = 0, points }: Asked): EcgSamples {
  const [first, last] = [Math.round(from * RATE), Math.round(to * RATE)]
  const count = points ? Math.min(points, last - first) : last - first
  const samples_uv = Array.from({ length: count }, (_, i) => truth(first + Math.floor((i * (last - first)) / count)))
  return { recording_id: 'r', sampling_rate_hz: RATE, started_at: null, duration_s: 86400, from, to, leads: LEADS.map((lead) => ({ ...lead, samples_uv })) }
}

const held = () => {
  const ask = vi.fn(async (asked: Asked) => answer(asked))
  return { ask, source: tileSource({ leads: LEADS, rateHz: RATE, samples: HOURS_24 }, ask) }
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 5))

describe('a day of ECG in tiles', () => {
  it('asks for what is looked at and its neighbours, never for the whole', async () => {
    const { ask, source } = held()
    expect(source.runs(0, 3600, 3610, 250)).toEqual([])
    await settled()
    const runs = source.runs(0, 3600, 3610, 250)
    expect(runs).not.toEqual([])
    for (const [{ from, to, points }] of ask.mock.calls) {
      expect(to! - from!).toBeLessThanOrEqual(TILE / RATE)
      expect(points).toBeUndefined()
    }
    const [run] = runs
    const i = Math.round((3605 - run!.start) / run!.step)
    const found = runs.find((one) => i < one.values.length && i >= 0)
    expect(found!.values[i]).toBe(truth(3605 * RATE))
    source.close()
  })

  it('asks for coarse tiles of the same size when a whole day is shown', async () => {
    const { ask, source } = held()
    source.runs(0, 0, 86400, 1200 / 86400)
    await settled()
    expect(ask.mock.calls.length).toBeLessThan(6)
    for (const [asked] of ask.mock.calls) expect(asked.points).toBe(TILE)
    expect(source.exact(1200 / 86400)).toBe(false)
    source.close()
  })

  it('never holds more than its bound, however far one goes', async () => {
    const { source } = held()
    for (let at = 0; at < 86400; at += 900) {
      source.runs(0, at, at + 10, 250)
      await settled()
      expect(source.held()).toBeLessThanOrEqual(MOST_TILES)
    }
    expect(source.held()).toBe(MOST_TILES)
    source.close()
    expect(source.held()).toBe(0)
  })

  it('shows the coarser tile until the fine one has come', async () => {
    const { source } = held()
    source.runs(0, 0, 200, 20)
    await settled()
    const coarse = source.runs(0, 100, 110, 250)
    expect(coarse.length).toBeGreaterThan(0)
    expect(coarse[0]!.step).toBeGreaterThan(1 / RATE)
    await settled()
    expect(source.runs(0, 100, 110, 250)[0]!.step).toBe(1 / RATE)
    source.close()
  })

  it('has no seam between two filtered tiles', async () => {
    const { source } = held()
    source.filterBy({ ...NO_FILTERS, lowPassHz: 40, baselineHz: 0.5 })
    for (let visit = 0; visit < 3; visit++) {
      source.runs(0, 60, 70, 250)
      await settled()
    }
    const seam = (TILE / RATE) * 4 // 64 s
    const around = Array.from({ length: 40 }, (_, i) => source.valueAt(0, seam + (i - 20) / RATE))
    const jumps = around.slice(1).map((value, i) => Math.abs(value - around[i]!))
    expect(Math.max(...jumps)).toBeLessThan(60)
    source.close()
  })

  it('says what failed, and asks again later', async () => {
    const ask = vi.fn(async () => Promise.reject(new Error('away')))
    const source = tileSource({ leads: LEADS, rateHz: RATE, samples: HOURS_24 }, ask)
    source.runs(0, 0, 10, 250)
    await settled()
    expect(String(source.problem.value)).toContain('away')
    const asked = ask.mock.calls.length
    source.runs(0, 0, 10, 250)
    await settled()
    expect(ask.mock.calls.length).toBe(asked)
    source.close()
  })
})
