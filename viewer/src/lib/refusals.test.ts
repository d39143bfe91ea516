import { describe, expect, it } from 'vitest'
import { explain } from './refusals'

describe('a refusal', () => {
  it('of an association names the reason of the standard', () => {
    expect(explain({ what: 'association', reason: '1/1/3' })).toMatchObject({ text: '设备的 AE 没有登记，或与登记的地址不符。', technical: 'A-ASSOCIATE-RJ 1/1/3' })
    expect(explain({ what: 'association', reason: '2/3/2' }).text).toContain('连接太多')
  })

  it('of an instance is told by its status, of a family where there is one', () => {
    expect(explain({ what: 'instance', reason: 'A701' }).text).toContain('资源不足')
    expect(explain({ what: 'instance', reason: '0xC123' })).toMatchObject({ technical: 'C-STORE C123H' })
  })

  it('keeps the words and the advice of the server', () => {
    expect(explain({ what: 'instance', reason: '图像已损坏', advice: '重新发送' })).toEqual({ text: '图像已损坏', advice: '重新发送', technical: '' })
    expect(explain({ what: 'instance', reason: 'A700', advice: '叫人' }).advice).toBe('叫人')
  })

  it('shows a code that nobody knows', () => {
    expect(explain({ what: 'instance', reason: '0999' })).toMatchObject({ text: '被拒绝，原因见技术代码。', technical: 'C-STORE 0999H' })
  })
})
