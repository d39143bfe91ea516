import { describe, expect, it } from 'vitest'
import type { Scheme, ScoreInput } from '@/api/scores'
import { asked, inOrder, isComplete, placeOf, relevant } from './scores'

const input = (name: string, more: Partial<ScoreInput> = {}): ScoreInput => ({ name, zh: name, en: name, kind: 'choice', options: [], unit: '', low: 0, high: 0, required: true, when: null, ...more })
const scheme = (code: string, inputs: ScoreInput[] = [], modalities = ['CT'], body_parts = ['CHEST']): Scheme => ({ code, version: '1', zh: code, en: code, source: '', modalities, body_parts, inputs })
const lung = scheme('lung', [input('kind'), input('history', { when: { kind: ['solid'] } }), input('size', { kind: 'number', when: { history: ['new'] } }), input('more', { required: false })])

describe('inputs of a score', () => {
  it('are asked where another says so', () => {
    expect(asked(lung, { kind: 'none' }).map((one) => one.name)).toEqual(['kind', 'more'])
    expect(asked(lung, { kind: 'solid', history: 'new' }).map((one) => one.name)).toEqual(['kind', 'history', 'size', 'more'])
  })

  it('go with what they depend on', () => expect(relevant(lung, { kind: 'none', history: 'new', size: 5 })).toEqual({ kind: 'none' }))
  it('are complete without what may be left', () => expect([isComplete(lung, { kind: 'none' }), isComplete(lung, { kind: 'solid' })]).toEqual([true, false]))
})

describe('the list of schemes', () => {
  it('begins with those for the examination', () => {
    const all = [scheme('us', [], ['US'], ['BREAST']), scheme('liver', [], ['CT'], ['LIVER']), scheme('lung')]
    expect(inOrder(all, 'CT', 'CHEST').map((one) => one.code)).toEqual(['lung', 'liver', 'us'])
  })
})

describe('the words of a score', () => {
  const before = { scheme: 'a', inputs: {}, text: '3类。', advice: '复查。' }

  it('replace those that it wrote before, wherever they stand', () => {
    const place = placeOf('甲。\n3类。复查。\n乙。', before)
    expect([place.from, place.to, place.text('4A类。')]).toEqual([3, 9, '4A类。'])
  })

  it('go behind everything when those were changed by hand', () => {
    const place = placeOf('甲。\n', before)
    expect([place.from, place.to, place.text('4A类。')]).toEqual([2, 3, '\n4A类。'])
    expect(placeOf('', null).text('4A类。')).toBe('4A类。')
  })
})
