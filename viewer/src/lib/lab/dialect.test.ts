import { describe, expect, it } from 'vitest'
import { withField, without, withUnits } from './dialect'

describe('a dialect', () => {
  it('says only what is other than usual', () => {
    const said = withField(undefined, 'termination', 'N')
    expect(said).toEqual({ termination: 'N' })
    expect(withField(said, 'test_component', 5)).toEqual({ termination: 'N', test_component: 5 })
    expect(withField(said, 'termination', 'F')).toBeUndefined()
  })
  it('leaves no empty part in a content', () => {
    expect(without({ tests: {}, dialect: { termination: 'N' } }, 'dialect', undefined)).toEqual({ tests: {} })
    expect(without({ tests: {} }, 'units', {})).toEqual({ tests: {} })
    expect(without({}, 'empty', ['---'])).toEqual({ empty: ['---'] })
  })
})

describe('units that nobody said', () => {
  it('are stated for these tests alone, and never over what is stated', () => {
    const content = { tests: { K: { item: 'K' }, HB: { item: 'HGB', unit: 'g/dL' }, Q: { ignored: true } } }
    const found = withUnits(content, new Map([['K', 'mmol/L'], ['HB', 'g/L'], ['Q', 'x'], ['NEW', 'x']]))
    expect(found.tests).toEqual({ K: { item: 'K', unit: 'mmol/L' }, HB: { item: 'HGB', unit: 'g/dL' }, Q: { ignored: true } })
  })
})
