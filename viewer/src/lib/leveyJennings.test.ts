import { expect, test } from 'vitest'
import type { ControlResult } from '@/api/control'
import { lotChanges, plain, reach, shownZ } from './leveyJennings'

const run = (z: number | null, lot = 'L1') => ({ z, lot }) as ControlResult

test('what lies further out than the chart is drawn at its edge', () => {
  expect([shownZ(-9), shownZ(2.5), shownZ(40)]).toEqual([-6, 2.5, 6])
})

test('the axis ends at four standard deviations, further out only where a point is', () => {
  expect(reach([])).toBe(4)
  expect(reach([run(1), run(null)])).toBe(4)
  expect(reach([run(-4.9)])).toBe(6)
  expect(reach([run(90)])).toBe(7)
})

test('a lot begins where its first run is', () => {
  expect(lotChanges([run(0), run(0), run(0, 'L2'), run(0, 'L2'), run(0, 'L3')])).toEqual([
    { at: 2, lot: 'L2' },
    { at: 4, lot: 'L3' },
  ])
  expect(lotChanges([])).toEqual([])
})

test('a mean is written without a binary tail', () => {
  expect([plain(4.1819999999999995), plain(120), plain(0.06)]).toEqual(['4.182', '120', '0.06'])
})
