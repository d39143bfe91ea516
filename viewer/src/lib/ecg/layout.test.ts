import { describe, expect, it } from 'vitest'
import { arrange, layOut, LAYOUTS, panelAt, STANDARD, timeAt, xOf } from './layout'

const twelve = [...STANDARD]
const words = (names: string[], layout: (typeof LAYOUTS)[number]) => arrange(names, layout).map((row) => row.map((one) => one.name).join(' '))
const view = { from: 0, span: 10, speed: 25 }

describe('the layouts', () => {
  it('are those of a printed ECG', () => {
    expect(words(twelve, '3x4')).toEqual(['I aVR V1 V4', 'II aVL V2 V5', 'III aVF V3 V6', 'II'])
    expect(words(twelve, '6x2')).toEqual(['I V1', 'II V2', 'III V3', 'aVR V4', 'aVL V5', 'aVF V6'])
    expect(words(twelve, 'cabrera')).toEqual(['aVL V1', 'I V2', '−aVR V3', 'II V4', 'aVF V5', 'III V6'])
    expect(words(twelve, '12x1')).toEqual(twelve)
  })

  it('turn aVR over in the order of Cabrera, and nothing else', () => {
    const turned = arrange(twelve, 'cabrera').flat().filter((one) => one.inverted)
    expect(turned.map((one) => [one.name, one.lead])).toEqual([['−aVR', 3]])
  })

  it.each(LAYOUTS)('%s shows every lead of 15 and of 18', (layout) => {
    for (const extra of [['V3R', 'V4R', 'V5R'], ['V3R', 'V4R', 'V5R', 'V7', 'V8', 'V9']]) {
      const names = [...twelve, ...extra]
      const shown = new Set(arrange(names, layout).flat().map((one) => one.lead))
      expect(shown.size).toBe(names.length)
    }
  })

  it('give one to three leads a row each, whatever they are called', () => {
    for (const layout of LAYOUTS) {
      expect(words(['MLII'], layout)).toEqual(['MLII'])
      expect(words(['通道1', 'MV5', 'ES'], layout)).toEqual(['通道1', 'MV5', 'ES'])
    }
  })

  it('keep the place of a standard lead that was not recorded', () => {
    const eight = ['I', 'II', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6']
    const rows = arrange(eight, '3x4')
    expect(rows[2]!.map((one) => [one.name, one.lead])).toEqual([['III', -1], ['aVF', -1], ['V3', 4], ['V6', 7]])
    expect(words(eight, '12x1')).toHaveLength(12)
  })

  it('take another rhythm lead when there is no II', () => {
    const names = twelve.filter((name) => name !== 'II')
    expect(arrange(names, '3x4').at(-1)![0]!.name).toBe('V1')
    expect(arrange(twelve, '3x4', 'V5').at(-1)![0]!.name).toBe('V5')
  })
})

describe('the sheet', () => {
  it('has ten seconds on 250 mm, columns one after the other in time', () => {
    const sheet = layOut(arrange(twelve, '3x4'), view, 180)
    expect(sheet.width).toBe(262)
    const row = sheet.panels.filter((panel) => panel.row === 0)
    expect(row.map((panel) => [panel.x, panel.from])).toEqual([[10, 0], [72.5, 2.5], [135, 5], [197.5, 7.5]])
    expect(sheet.panels.at(-1)).toMatchObject({ name: 'II', width: 250, from: 0, to: 10, rhythm: true })
  })

  it('uses the height it is given, within what can be read', () => {
    expect(layOut(arrange(twelve, '3x4'), view, 180).pitch).toBe(42)
    expect(layOut(arrange(twelve, '12x1'), view, 180).pitch).toBe(14)
    expect(layOut(arrange(twelve, '12x1'), view, 60).pitch).toBe(11)
  })

  it('finds the time under the pointer and the place of a time', () => {
    const sheet = layOut(arrange(twelve, '3x4'), { ...view, from: 30 }, 180)
    const panel = panelAt(sheet, 100, sheet.panels[1]!.top + 5)!
    expect(panel.name).toBe('aVR')
    expect(timeAt(panel, xOf(panel, 33.1, view), view)).toBeCloseTo(33.1)
    expect(panelAt(sheet, 5, 10)).toBeUndefined()
  })
})
