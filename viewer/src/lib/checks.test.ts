import { describe, expect, it } from 'vitest'
import { unitsOf } from './checks'

describe('unitsOf', () => {
  it('counts a rare character as the two units that a text field counts', () => {
    const text = '𠮷某左肺结节'
    const [begin, end] = unitsOf(text, 2, 4)
    expect(text.slice(begin, end)).toBe('左肺')
  })
})
