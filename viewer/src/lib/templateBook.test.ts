import { describe, expect, it } from 'vitest'
import type { TemplatesContent } from '@/api/templates'
import { differences } from './differing'
import { found, inWords, namesIn, newPhrase, newSlot, newTemplate, preview, withSlots } from './templateBook'

const chest = { ...newTemplate('a'), name: '胸片', initials: 'xp', modalities: ['DX'], body_parts: ['CHEST'], findings: '见{密度}，{{不是}}，{直径}', impression: '{密度}结节', slots: [{ ...newSlot('密度'), default: '实性' }, newSlot('没有用到')] }

describe('a template on the page', () => {
  it('has the slots that its texts name, no others, and keeps what was said of them', () => {
    expect(namesIn(chest)).toEqual(['密度', '直径'])
    expect(withSlots(chest).map((one) => [one.name, one.default])).toEqual([['密度', '实性'], ['直径', '']])
  })

  it('is previewed as it is written', () => expect(preview(chest.findings, chest.slots)).toBe('见实性，{不是}，{直径}'))

  it('is found by code, name, initials, words, modality and part', () => {
    const rows = [chest, newPhrase('b')]
    expect([found(rows, 'xp', '', ''), found(rows, '结节', '', ''), found(rows, '', 'DX', 'CHEST'), found(rows, '', 'CT', ''), found(rows, '', '', '')]).toEqual([[0], [0], [0], [], [0, 1]])
  })
})

describe('what a version differs in', () => {
  const said = (one: TemplatesContent) => inWords(one, [])

  it('is what came, went and is other, with its words', () => {
    const before = { templates: [chest, { ...newTemplate('gone'), name: '旧' }], phrases: [] }
    const after = { templates: [{ ...chest, normal: true, impression: '{密度}小结节' }], phrases: [newPhrase('new')] }
    expect(differences(said(before), said(after)).map((one) => [one.label, one.gone.length, one.come.length])).toEqual([['报告模板 胸片', 1, 2], ['词条 new', 0, 2], ['报告模板 旧', 2, 0]])
    expect(differences(said(before), said(before))).toEqual([])
  })

  it('is not the order in which fields came', () => {
    const turned = (one: object) => Object.fromEntries(Object.entries(one).reverse())
    const again = { ...turned(chest), slots: chest.slots.map(turned) } as typeof chest
    expect(differences(said({ templates: [chest], phrases: [] }), said({ templates: [again], phrases: [] }))).toEqual([])
  })
})
