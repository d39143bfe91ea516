import { describe, expect, it } from 'vitest'
import { arrowOf, doubtOf, matching, nextWaiting, percentText, rangeText, sectionsOf, standingOf, toneOf, unitText, verifiable } from './sheet'
import { item, result } from './made'
import { stopText, stopTexts } from './words'

describe('the sheet', () => {
  it('writes units as people do', () => {
    expect(['umol/L', 'ug/L', 'uIU/mL', '/uL', 'U/L', '10^9/L', 'mmol/L', ''].map(unitText)).toEqual(['μmol/L', 'μg/L', 'μIU/mL', '/μL', 'U/L', '10^9/L', 'mmol/L', ''])
  })

  it('has a heading where the panel changes, or the section of what is in none', () => {
    const items = [item('WBC', {}, { panel: 'CBC' }), item('PT', {}, { panel: 'CBC', section: 'coagulation' }), item('K', {}, { section: 'chemistry' }), item('NA', {}, { section: 'chemistry' }), item('CRP', {}, { section: 'immunology' })]
    expect(sectionsOf(items).map((one) => [one.panel, one.section, one.items.length])).toEqual([['CBC', 'haematology', 2], [null, 'chemistry', 2], [null, 'immunology', 1]])
  })

  it('shows an arrow beside the colour, and red for what is critical alone', () => {
    expect((['', 'L', 'H', 'LL', 'HH'] as const).map(arrowOf)).toEqual(['', '↓', '↑', '⇊', '⇈'])
    expect(toneOf({ abnormal: 'H', critical: false })).toBe('care')
    expect(toneOf({ abnormal: 'HH', critical: true })).toBe('now')
    expect(toneOf({ abnormal: '', critical: false })).toBe('')
  })

  it('writes ranges as they are, open ones too', () => {
    const said = [[130, 175, ''], [null, 5, ''], [0.5, null, ''], [null, null, '阴性'], [null, null, '']] as const
    expect(said.map(([low, high, text]) => rangeText({ low, high, text }))).toEqual(['130–175', '≤ 5', '≥ 0.5', '阴性', ''])
  })

  it('writes a change with its sign', () => {
    expect([-20.6, 12.5, 0, 340.4, null].map(percentText)).toEqual(['−20.6 %', '+12.5 %', '0 %', '+340 %', ''])
  })

  it('says where a row stands', () => {
    expect(standingOf(item('A', null))).toBe('pending')
    expect(standingOf(item('A', { status: 'X' }))).toBe('withdrawn')
    expect(standingOf(item('A', { status: 'P' }))).toBe('preliminary')
    expect(standingOf(item('A', { status: 'P', verification: 'verified' }))).toBe('verified')
    expect(standingOf(item('A', { verification: 'rerun' }))).toBe('rerun')
  })

  it('verifies together only what waits, is final, and has not to be explained', () => {
    const items = [item('A'), item('B', { critical: true }, { needs_word: true }), item('C', { control_state: 'out_of_control' }), item('D', { verification: 'automatic' }), item('E', null), item('F', { status: 'P' }), item('G', { verification: 'rerun' }), item('H', { control_state: 'missing' })]
    expect(verifiable(items).map((one) => one.id)).toEqual(['A', 'C', 'H'])
  })

  it('filters by what waits and what is abnormal', () => {
    const items = [item('A'), item('B', { verification: 'verified', abnormal: '' }), item('C', { verification: 'rerun', abnormal: '' }), item('D', null)]
    expect(matching(items, 'waiting').map((one) => one.item_code)).toEqual(['A', 'C'])
    expect(matching(items, 'abnormal').map((one) => one.item_code)).toEqual(['A'])
    expect(matching(items, 'all')).toHaveLength(4)
  })

  it('goes on to the next that waits, round the end, and stays when none does', () => {
    const items = [item('A'), item('B', { verification: 'verified' }), item('C')]
    expect(nextWaiting(items, 'A')).toBe('C')
    expect(nextWaiting(items, 'C')).toBe('A')
    expect(nextWaiting([item('A', { verification: 'verified' })], 'A')).toBe('A')
  })

  it('is not signed with results that wait; what is held or to come has to be known of', () => {
    expect(doubtOf([item('A')], 0)).toEqual({ kind: 'waiting', n: 1, again: false })
    expect(doubtOf([item('A', null)], 0)).toEqual({ kind: 'empty', n: 0, again: false })
    const verified = item('A', { verification: 'verified' })
    expect(doubtOf([verified, item('B', null)], 2)).toEqual({ kind: 'held', n: 2, again: true })
    expect(doubtOf([verified, item('B', null), item('C', { verification: 'rerun' })], 0)).toEqual({ kind: 'pending', n: 2, again: true })
    expect(doubtOf([verified], 0)).toBeNull()
  })
})

describe('what stopped a result', () => {
  const delta = { value: '137', number: 137, observed_at: '2026-11-01T00:00:00Z', percent: -20.6, exceeded: true }

  it('is said in plain words with what was seen', () => {
    expect(stopText({ rule: 'range', detail: '128 < 130' }, result())).toBe('超出参考区间：128 < 130')
    expect(stopText({ rule: 'delta', detail: '137 → 109' }, result({ delta }))).toBe('较上次变化 −20.6 %')
    expect(stopText({ rule: 'control', detail: 'out_of_control' }, result())).toBe('质控失控')
    expect(stopText({ rule: 'status', detail: 'replaces_verified' }, result())).toBe('替换了已审核的结果')
    expect(stopText({ rule: 'age_sex_unknown', detail: 'age' }, result())).toBe('年龄未知，参考区间不定')
    expect(stopText({ rule: 'a_rule_of_tomorrow', detail: 'x' }, result())).toBe('a_rule_of_tomorrow：x')
  })

  it('says once that a critical value is out of its range', () => {
    const stops = [{ rule: 'range', detail: '2.1 < 3.5' }, { rule: 'critical', detail: '2.1' }]
    expect(stopTexts(result({ critical: true, stops }))).toEqual(['危急值'])
    expect(stopTexts(result({ critical: false, stops: [...stops.slice(0, 1), { rule: 'instrument_flag', detail: 'Left Shift?' }] }))).toEqual(['仪器报警：Left Shift?', '超出参考区间：2.1 < 3.5'])
  })
})
