import { expect, it } from 'vitest'
import { told } from './auditDetail'

const TASK = '01a207b4-6752-7000-ad27-402c718be30e'
const said = (detail: Record<string, unknown>) => told(detail).map((one) => `${one.label}=${one.value}`)

it('names the members of an event and says its codes in words', () => {
  expect(said({ book: 'checking', version: 2, note: '按本院常规' })).toEqual(['规则=核查规则', '版本=2', '说明=按本院常规'])
  expect(said({ to: '陈立', reasons: ['on_duty', 'least_load'] })).toEqual(['给=陈立', '理由=在岗、在手最少'])
})

it('puts ids last, shortened, and keeps them whole beside', () => {
  const found = told({ task_id: TASK, reason: '临床催促' })
  expect(found.map((one) => one.label)).toEqual(['理由', '任务'])
  expect([found[1]!.value, found[1]!.whole]).toEqual(['01a207b4…', TASK])
})

it('says what was before and after, member by member', () => {
  expect(said({ before: null, after: { name: '彩超', device_id: TASK, whole: true } })).toEqual(['改前=无', '改后=名称：彩超、设备：01a207b4…、完整：是'])
})

it('names columns and tables as the administration does', () => {
  expect(said({ entity: 'device', after: { ae_title: 'CT1' } })).toEqual(['目录=设备', '改后=呼叫 AE：CT1'])
  expect(said({ entity: 'duty', before: { weekdays: '12345' }, after: null })[1]).toBe('改前=星期（1–7）：12345')
})

it('names the settings of a receiving system as its form does', () => {
  expect(said({ after: { settings: { port: 2575, tls: false } } })).toEqual(['改后=设置：端口：2575、使用 TLS：否'])
})

it('leaves out what is empty, and lets stand what it has no word for', () => {
  expect(said({ scope: '', items: [], unheard_of: 'x' })).toEqual(['unheard_of=x'])
})
