import { describe, expect, it } from 'vitest'
import type { Phrase, Slot } from '@/api/types'
import { begin, byCode, choicesOf, knownSlots, moved, oddity, openIn, search, shortCode, stopsOf, toggled } from './slots'

const slot = (name: string, more: Partial<Slot> = {}): Slot => ({ name, type: 'text', choices: [], default: '', unit: '', low: null, high: null, decimals: 0, required: true, ...more })
const phrase = (code: string, name: string, initials: string, more: Partial<Phrase> = {}): Phrase => ({ code, name, initials, use: 'template', normal: false, chosen: false, fit: 'exact', findings: '', impression: '', text: '', into: 'both', slots: [], score: '', version: 0, ...more })

describe('a template that is begun', () => {
  it('has its defaults written and the others open, and braces where they are written twice', () => {
    const { text, places } = begin('见{密度}结节{{a}}，径{直径}mm', [slot('密度', { default: '实性' }), slot('直径')])
    expect(text).toBe('见实性结节{a}，径{直径}mm')
    expect(places.map((one) => text.slice(one.begin, one.end))).toEqual(['实性', '{直径}'])
  })

  it('opens only slots that are known', () => {
    const known = new Map([['直径', slot('直径')]])
    expect(openIn('{直径}与{别的}', known)).toEqual([{ name: '直径', begin: 0, end: 4 }])
  })
})

describe('places while somebody types', () => {
  const text = '见{密度}结节，径{直径}mm'
  const places = [
    { name: '密度', begin: 1, end: 5 },
    { name: '直径', begin: 9, end: 13 },
  ]
  const said = (after: string, now = moved(places, text, after)) => now.map((one) => after.slice(one.begin, one.end))

  it('move behind what was typed before them', () => expect(said('今日见{密度}结节，径{直径}mm')).toEqual(['{密度}', '{直径}']))
  it('stay before what was typed behind them', () => expect(said('见{密度}结节，径{直径}mm大')).toEqual(['{密度}', '{直径}']))
  it('go when a piece of them and around them is deleted', () => expect(said('见结节，径{直径}mm')).toEqual(['{直径}']))

  it('take what is typed into the one that is held', () => {
    const after = '见实性结节，径{直径}mm'
    expect(said(after, moved(places, text, after, places[0]))).toEqual(['实性', '{直径}'])
    const filled = [{ name: '直径', begin: 3, end: 4 }]
    expect(moved(filled, '径 约1mm', '径 约15mm', filled[0])).toEqual([{ name: '直径', begin: 3, end: 5 }])
    // the sign that was typed is the one that follows: it is the place's all the same
    const twice = [{ name: '直径', begin: 0, end: 1 }]
    expect(moved(twice, '11', '111', twice[0])).toEqual([{ name: '直径', begin: 0, end: 2 }])
  })

  it('are come by in their order, each once', () => {
    const known = new Map([['密度', slot('密度')], ['直径', slot('直径')]])
    expect(stopsOf(text, [places[1]!], known).map((one) => one.name)).toEqual(['密度', '直径'])
  })
})

describe('a short code', () => {
  it('is the word behind a semicolon, of either width, right before the caret', () => {
    expect(shortCode('未见异常;jhlc', 9)).toEqual({ begin: 4, code: 'jhlc' })
    expect(shortCode('；JHLC后', 5)).toEqual({ begin: 0, code: 'jhlc' })
    expect(shortCode(';jh lc', 6)).toBeNull()
    expect(shortCode('jhlc', 4)).toBeNull()
  })

  it('means the phrase of that code, else of those initials', () => {
    const all = [phrase('a', '甲', 'jhlc'), phrase('jhlc', '乙', 'y')]
    expect(byCode(all, 'jhlc')?.name).toBe('乙')
    expect(byCode([all[0]!], 'jhlc')?.name).toBe('甲')
  })
})

describe('the list', () => {
  const all = [phrase('dr-chest-pneumonia', '胸部正位 肺炎', 'xbzwfy'), phrase('ct-x', '气胸', 'qx', { findings: '肺组织受压', fit: 'other' }), phrase('dr-fy', '肺炎后', 'fyh')]

  it('is found by code, initials and words, beginnings first', () => {
    expect(search(all, 'fy').map((one) => one.code)).toEqual(['dr-fy', 'dr-chest-pneumonia'])
    expect(search(all, '气胸').map((one) => one.code)).toEqual(['ct-x'])
    expect(search(all, '肺组织').map((one) => one.code)).toEqual(['ct-x'])
    expect(search(all, '没有')).toEqual([])
  })

  it('shows what is for this examination when nothing is typed', () => expect(search(all, '').map((one) => one.code)).toEqual(['dr-chest-pneumonia', 'dr-fy']))
})

describe('what is filled in', () => {
  const size = slot('直径', { type: 'number', low: 1, high: 30, decimals: 1 })

  it.each([['5', ''], ['5.5', ''], ['0.5', 'low'], ['31', 'high'], ['5.55', 'decimals'], ['5，', 'number'], ['{直径}', 'open'], ['', 'open']])('%s is %s', (said, odd) => expect(oddity(size, said)).toBe(odd))
  it('is a day', () => expect([oddity(slot('日期', { type: 'date' }), '2026-11-23'), oddity(slot('日期', { type: 'date' }), '昨天')]).toEqual(['', 'date']))

  it('of several keeps the order of the list', () => {
    const all = ['C3/4', 'C4/5', 'C5/6']
    expect(toggled('{节段}', 'C5/6', all)).toBe('C5/6')
    expect(toggled('C5/6', 'C3/4', all)).toBe('C3/4、C5/6')
    expect(toggled('C3/4、C5/6', 'C5/6', all)).toBe('C3/4')
  })

  it('has the sides, and of a date today and yesterday', () => {
    expect(choicesOf(slot('侧别', { type: 'side' }))).toEqual(['左侧', '右侧', '双侧'])
    expect(choicesOf(slot('日期', { type: 'date' }), new Date(2026, 10, 23, 1))).toEqual(['2026-11-23', '2026-11-22'])
  })

  it('goes by the template that was used', () => {
    const all = [phrase('b', '乙', 'y', { slots: [slot('部位', { choices: ['乙'] })] }), phrase('a', '甲', 'j', { slots: [slot('部位', { choices: ['甲'] })] })]
    expect(knownSlots(all, ['b']).get('部位')!.choices).toEqual(['乙'])
    expect(knownSlots(all, []).get('部位')!.choices).toEqual(['甲'])
  })
})
