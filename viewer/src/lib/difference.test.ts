import { describe, expect, it } from 'vitest'
import { difference, isChanged } from './difference'

describe('difference', () => {
  it('shows sign by sign what stands in the place of what', () => {
    expect(difference('右肺下野炎症。', '左肺下野炎症，建议复查。')).toEqual([
      { before: '右', after: '左' },
      { before: '肺下野炎症', after: '肺下野炎症' },
      { before: '', after: '，建议复查' },
      { before: '。', after: '。' },
    ])
  })

  it('keeps numbers and words whole', () => {
    expect(difference('约 8 mm', '约 12 mm').filter((one) => one.before !== one.after)).toEqual([{ before: '8', after: '12' }])
  })

  it('gives both texts back when its pieces are put together, whatever they are', () => {
    const texts = ['', '双肺清晰。', '双肺纹理增多，心影不大。', 'QTc 412 ms', '𠮷先生', '未见未见未见', '见未见未见']
    for (const before of texts) {
      for (const after of texts) {
        const pieces = difference(before, after)
        expect(pieces.map((one) => one.before).join('')).toBe(before)
        expect(pieces.map((one) => one.after).join('')).toBe(after)
        expect(isChanged(pieces)).toBe(before !== after)
      }
    }
  })
})
