import { describe, expect, it } from 'vitest'
import { appended } from './phrases'

describe('what is added', () => {
  it('goes after what is written', () => {
    expect(appended('双肺清晰。\n', '心影正常。')).toBe('双肺清晰。\n心影正常。')
    expect(appended('', '心影正常。')).toBe('心影正常。')
  })
})
