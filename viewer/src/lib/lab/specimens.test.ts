import { describe, expect, it } from 'vitest'
import type { Item, Panel } from '@/api/specimens'
import { findTests, planTubes } from './specimens'

const panel = (code: string, name: string, initials: string, specimen: string, tube: string, items: string[]): Panel => ({ code, name, name_en: '', initials, section: '', specimen, tube, items })
const item = (code: string, name: string, initials: string, specimen: string): Item => ({ code, name, name_en: '', initials, section: '', specimen, abbreviation: code })
const CBC = panel('CBC', '血细胞分析', 'xxbfx', '全血', '紫', ['WBC', 'HGB'])
const LIVER = panel('LFT', '肝功能', 'ggn', '血清', '黄', ['ALT'])
const LIPIDS = panel('LIP', '血脂', 'xz', '血清', '黄', ['TG'])

describe('tubes of an order', () => {
  it('are one for each kind and colour, and an item joins the tube of its kind', () => {
    const tubes = planTubes([LIVER, CBC, LIPIDS], [item('GLU', '葡萄糖', 'ptt', '血清'), item('WBC', '白细胞', 'bxb', '全血'), item('UPRO', '尿蛋白', 'ndb', '尿')])
    expect(tubes.map((one) => [one.tube, one.panels.map((p) => p.code), one.items.map((i) => i.code)])).toEqual([
      ['黄', ['LFT', 'LIP'], ['GLU']],
      ['紫', ['CBC'], []],
      ['', [], ['UPRO']],
    ])
  })
})

describe('what somebody typed', () => {
  it('finds codes before initials before parts of names', () => {
    const found = (text: string) => findTests(text, [CBC, LIVER, LIPIDS]).map((one) => one.code)
    expect(found('lft')).toEqual(['LFT'])
    expect(found('xx')).toEqual(['CBC'])
    expect(found('x')).toEqual(['CBC', 'LIP'])
    expect(found('功能')).toEqual(['LFT'])
    expect([found(''), found('qq')]).toEqual([[], []])
    const mixed = (text: string) => findTests<Panel | Item>(text, [item('ZN', '锌', 'x', '血清'), CBC, LIPIDS]).map((one) => one.code)
    expect([mixed('x'), mixed('zn')]).toEqual([['CBC', 'LIP', 'ZN'], ['ZN']])
  })
})
