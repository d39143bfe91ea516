import { describe, expect, it } from 'vitest'
import { appended, normalPhrase } from './phrases'

const phrase = (name: string, normal = true) => ({ code: name, name, findings: '', impression: '', normal })

describe('the normal report', () => {
  it('is the one for the body part', () => {
    const found = normalPhrase([phrase('胸部正位正常'), phrase('腰椎正常')], { body_part: '腰椎', description: '腰椎正侧位' })
    expect(found?.name).toBe('腰椎正常')
  })

  it('is none when several could be meant and none says the body part', () => {
    expect(normalPhrase([phrase('胸部正常'), phrase('腰椎正常')], { body_part: 'WRIST', description: null })).toBeNull()
  })

  it('is not that of another body part, also when it is the only one', () => {
    expect(normalPhrase([phrase('胸部 CT 正常')], { body_part: '腰椎', description: '腰椎正侧位' })).toBeNull()
  })

  it('goes after what is written', () => {
    expect(appended('双肺清晰。\n', '心影正常。')).toBe('双肺清晰。\n心影正常。')
    expect(appended('', '心影正常。')).toBe('心影正常。')
  })
})

describe('a body part as DICOM writes it', () => {
  it('is found in the code of a phrase', () => {
    const chest = { ...phrase('胸部正位 正常'), code: 'dr-chest-normal' }
    const knee = { ...phrase('膝关节 正常'), code: 'dr-knee-normal' }
    expect(normalPhrase([knee, chest], { body_part: 'CHEST', description: null })).toBe(chest)
    expect(normalPhrase([knee, chest], { body_part: null, description: 'KNEE LEFT AP' })).toBe(knee)
  })
})
