import { beforeAll, describe, expect, it } from 'vitest'
import type { DeviceStand } from '@/api/deviceControl'
import { setLanguage } from '@/i18n'
import { readerText, standText } from './deviceControl'

const device = { id: 'd', ae_title: 'EAST_CT', name: '16 排 CT', modality: 'CT', enabled: true, site: { id: 's', code: 'EAST', name: '城东镇卫生院' } }
const failed = { id: 'c', kind: 'daily', result: 'fail', done_on: '2026-11-20', note: '水模 CT 值 12 HU' } as const
const due = { kind: 'status', on: '2026-11-19', takes_mark: true } as const
const stand = (said: Partial<DeviceStand>): DeviceStand => ({ device, state: 'in_control', takes_mark: false, failed: null, due: null, last: null, ...said })

beforeAll(() => setLanguage('zh-CN'))

describe('a device in words', () => {
  it('says what failed before what is due, and what is due before what was done', () => {
    expect(standText(stand({ state: 'out_of_control', failed, due }))).toBe('2026-11-20 日检不合格，未放行：水模 CT 值 12 HU')
    expect(standText(stand({ state: 'missing', due }))).toBe('状态检测应在 2026-11-19 前完成，已逾期')
    expect(standText(stand({ due }))).toBe('状态检测应在 2026-11-19 前完成')
    expect(standText(stand({ last: { ...failed, result: 'pass' } }))).toBe('最近：日检 2026-11-20 合格')
    expect(standText(stand({}))).toBe('')
  })

  it('tells the reader whether the mark is lost', () => {
    expect(readerText(stand({ state: 'out_of_control', takes_mark: true, failed }))).toContain('不带互认标识')
    expect(readerText(stand({ state: 'missing', takes_mark: true, due }))).toContain('不带互认标识')
    expect(readerText(stand({ state: 'missing', due: { ...due, takes_mark: false } }))).toContain('不受影响')
  })
})
