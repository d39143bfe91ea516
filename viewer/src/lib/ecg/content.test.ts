import { describe, expect, it } from 'vitest'
import { acceptAll, compose, criticalIn, doubtOf, mayOverrule, noContent, proposals, proposedBy, qtcOf, recomposed, sameAs, search, withFormula, withMeasure, withoutStatement, withStatements, type Statement } from './content'
import type { EcgDescription, EcgProposal } from './recordings'

const one = (code: string, group: Statement['group'], text: string, text_en: string, initials: string, more: Partial<Statement> = {}): Statement => ({
  code, group, text, text_en, initials, critical: false, normal: false, enabled: true, measure: '', above: null, below: null, ...more,
})
const ALL = [
  one('sinus_rhythm', 'rhythm', '窦性心律', 'Sinus rhythm', 'dxxl', { normal: true }),
  one('sinus_bradycardia', 'rhythm', '窦性心动过缓', 'Sinus bradycardia', 'dxxdgh', { measure: 'heart_rate_bpm', below: 60 }),
  one('atrial_fibrillation', 'rhythm', '心房颤动', 'Atrial fibrillation', 'xfcd'),
  one('axis_left', 'axis', '心电轴左偏', 'Left axis deviation', 'xdzzp', { measure: 'qrs_axis_deg', above: -90, below: -30 }),
  one('av_block_third', 'conduction', '三度房室传导阻滞', 'Third-degree AV block', 'sdfscdzz', { critical: true }),
  one('t_flat', 'st_t', 'T波低平', 'Flat T waves', 'tbdp'),
  one('qtc_over_500', 'st_t', 'QTc间期显著延长（>500毫秒）', 'QTc above 500 ms', 'qtcjqxzyc500hm', { critical: true, measure: 'qtc_ms', above: 500 }),
  one('old', 'st_t', '停用条目', 'Disabled', 'tytm', { enabled: false }),
  one('normal_ecg', 'conclusion', '正常心电图', 'Normal ECG', 'zcxdt', { normal: true }),
]
const cart = (measurements: object, more: object = {}) => ({ measurements, statements: [], acute: false, ...more }) as unknown as EcgDescription
const ours = (measurements: object, more: object = {}) => ({ source: 'computed', measurements, regular: true, ...more }) as unknown as EcgProposal
const NORMAL = cart({ heart_rate_bpm: 72.4, pr_ms: 156, qrs_ms: 92, qt_ms: 388, qrs_axis_deg: 55 })

describe('measurements', () => {
  it('are proposed by the cart first, and by us where we say something else', () => {
    expect(proposals('pr_ms', cart({ pr_ms: 156.4 }), ours({ pr_ms: 156 }))).toEqual([{ value: 156, source: 'cart' }])
    expect(proposals('pr_ms', cart({ pr_ms: 156 }), ours({ pr_ms: 160 }))).toEqual([{ value: 156, source: 'cart' }, { value: 160, source: 'computed' }])
    expect(proposals('pr_ms', cart({ pr_ms: 29999 }), ours({ pr_ms: null }))).toEqual([])
  })

  it('are accepted all at once, each with its source, and not over what a person gave', () => {
    const typed = withMeasure(noContent(), 'pr_ms', 170, 'caliper', 'bazett')
    const { measurements } = acceptAll(typed, NORMAL, null, 'bazett')
    expect(measurements).toMatchObject({ heart_rate_bpm: 72, pr_ms: 170, qrs_ms: 92, qt_ms: 388, qtc_ms: 425, qtc_formula: 'bazett', qrs_axis_deg: 55 })
    expect(measurements.source).toMatchObject({ heart_rate_bpm: 'cart', pr_ms: 'caliper', qtc_ms: 'computed' })
  })

  it('give a QTc by the named formula, and none without QT or rate', () => {
    expect((['bazett', 'fridericia', 'framingham', 'hodges'] as const).map((formula) => qtcOf(formula, 400, 75))).toEqual([447, 431, 431, 426])
    const content = acceptAll(noContent(), NORMAL, null, 'bazett')
    expect(withFormula(content, 'hodges').measurements).toMatchObject({ qtc_formula: 'hodges', qtc_ms: 409 })
    const without = withMeasure(content, 'qt_ms', null, 'typed', 'bazett').measurements
    expect(without.qtc_ms).toBeUndefined()
    expect(without.qtc_formula).toBeUndefined()
    expect(without.source?.qtc_ms).toBeUndefined()
  })

  it('that no heart has are not taken', () => {
    expect(withMeasure(noContent(), 'qrs_ms', 4000, 'typed', 'bazett').measurements).toEqual({})
    expect(withMeasure(noContent(), 'qrs_ms', Number.NaN, 'typed', 'bazett').measurements).toEqual({})
  })
})

describe('statements', () => {
  const codes = (q: string) => search(q, ALL).map((found) => found.code)

  it('are found by initials, Chinese and English, what begins so first', () => {
    expect(codes('xfcd')).toEqual(['atrial_fibrillation'])
    expect(codes('房颤')).toEqual(['atrial_fibrillation'])
    expect(codes('颤动')).toEqual(['atrial_fibrillation'])
    expect(codes('third')).toEqual(['av_block_third'])
    expect(codes('dx')).toEqual(['sinus_rhythm', 'sinus_bradycardia'])
    expect(codes('normal')[0]).toBe('normal_ecg')
    expect(codes('停用')).toEqual([])
    expect(codes('')).toHaveLength(ALL.length - 1)
  })

  it('stand in the order of practice whatever was added first', () => {
    const content = withStatements(withStatements(noContent(), ['normal_ecg'], ALL), ['t_flat', 'sinus_rhythm'], ALL)
    expect(content.statements).toEqual(['sinus_rhythm', 't_flat', 'normal_ecg'])
    expect(withoutStatement(content, 't_flat').statements).toEqual(['sinus_rhythm', 'normal_ecg'])
  })

  it('are proposed by the numbers, and critical by themselves or by a number', () => {
    const slow = withMeasure(noContent(), 'heart_rate_bpm', 52, 'cart', 'bazett')
    expect(proposedBy(slow, ALL).map((found) => found.code)).toEqual(['sinus_bradycardia'])
    expect(criticalIn(slow, ALL)).toEqual([])
    const long = withMeasure(withMeasure(noContent(), 'heart_rate_bpm', 60, 'cart', 'bazett'), 'qt_ms', 510, 'caliper', 'bazett')
    expect(criticalIn(long, ALL).map((found) => found.code)).toEqual(['qtc_over_500'])
    expect(criticalIn(withStatements(noContent(), ['av_block_third'], ALL), ALL)).toHaveLength(1)
  })

  it('of the cart are ours only when it says just that', () => {
    expect(sameAs('SINUS RHYTHM', ALL)?.code).toBe('sinus_rhythm')
    expect(sameAs('窦性心律', ALL)?.code).toBe('sinus_rhythm')
    expect(sameAs('Possible sinus rhythm', ALL)).toBeUndefined()
  })
})

describe('words', () => {
  it('say the numbers as findings and every statement as the impression', () => {
    const content = withStatements(acceptAll(noContent(), NORMAL, null, 'bazett'), ['sinus_rhythm', 't_flat', 'normal_ecg'], ALL)
    expect(compose(content, ALL)).toEqual({
      findings: '窦性心律，心率 72 次/分，PR间期 156 ms，QRS时限 92 ms，QT/QTc间期 388/425 ms（Bazett），QRS电轴 55°。T波低平。',
      impression: '1. 窦性心律\n2. T波低平\n3. 正常心电图',
    })
    expect(compose(withStatements(noContent(), ['normal_ecg'], ALL), ALL)).toEqual({ findings: '正常心电图。', impression: '正常心电图' })
    expect(compose(null, ALL)).toEqual({ findings: '', impression: '' })
  })

  it('follow the statements inside what a person typed around them, and never over it', () => {
    expect(recomposed('', '', '新')).toBe('新')
    expect(recomposed('旧。手写', '旧。', '新。')).toBe('新。手写')
    expect(recomposed('手写', '', '新。')).toBe('新。\n手写')
    expect(recomposed('改过的', '旧。', '新。')).toBeNull()
    expect(recomposed('旧。', '旧。', '')).toBe('')
    expect(recomposed('手写', '旧。', '旧。')).toBe('手写')
  })
})

describe('one key for a normal ECG', () => {
  const accepted = acceptAll(noContent(), NORMAL, null, 'bazett')

  it('has nothing against what is normal', () => {
    expect(doubtOf(accepted, ALL, cart({}, { statements: ['Normal sinus rhythm', 'Normal ECG', '** Unconfirmed **', '窦性心律', '正常心电图', 'RITMO SINUSALE', 'ECG NORMALE'] }), ours({}))).toBeNull()
  })

  it('refuses against the numbers, other statements, an acute cart and without a rate', () => {
    expect(doubtOf(noContent(), ALL, null, null)?.kind).toBe('no_rate')
    expect(doubtOf(withMeasure(accepted, 'heart_rate_bpm', 52, 'typed', 'bazett'), ALL, null, null)).toMatchObject({ kind: 'measured', statements: [{ code: 'sinus_bradycardia' }] })
    expect(doubtOf(withStatements(accepted, ['t_flat'], ALL), ALL, null, null)?.kind).toBe('said')
    expect(doubtOf(accepted, ALL, cart({}, { acute: true }), null)?.kind).toBe('acute')
    for (const kind of ['no_rate', 'acute'] as const) expect(mayOverrule({ kind })).toBe(false)
  })

  it('lets a person overrule what only the cart or our rhythm says', () => {
    const doubt = doubtOf(accepted, ALL, cart({}, { statements: ['Sinus rhythm', 'Abnormal ECG', 'Nonspecific T wave abnormality'] }), null)
    expect(doubt).toEqual({ kind: 'cart', lines: ['Abnormal ECG', 'Nonspecific T wave abnormality'] })
    expect(mayOverrule(doubt!)).toBe(true)
    expect(doubtOf(accepted, ALL, null, ours({}, { regular: false }))?.kind).toBe('irregular')
  })
})
