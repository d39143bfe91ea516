/** How devices stand by their checks, in words and colours. */
import type { DeviceStand, DeviceState } from '@/api/deviceControl'
import { t } from '@/i18n'

export const DEVICE_STATES: readonly DeviceState[] = ['out_of_control', 'missing', 'in_control', 'not_required']
export const DEVICE_TONES: Record<DeviceState, string> = { out_of_control: 'now', missing: 'care', in_control: 'done', not_required: '' }

export const deviceName = (device: { name: string; ae_title: string }): string => device.name || device.ae_title

/** The line below a device's name: what failed, else what is due, else what was done last. */
export function standText(stand: DeviceStand): string {
  const { failed, due, last } = stand
  if (failed) return t('deviceControl.failed', { day: failed.done_on, kind: t(`deviceControl.kind.${failed.kind}`), note: failed.note })
  if (due) return t(stand.state === 'missing' ? 'deviceControl.late' : 'deviceControl.due', { kind: t(`deviceControl.kind.${due.kind}`), day: due.on })
  if (last) return t('deviceControl.last', { kind: t(`deviceControl.kind.${last.kind}`), day: last.done_on, result: t(`deviceControl.result.${last.result}`) })
  return ''
}

/** What whoever reads an examination of it is told before the signature. */
export function readerText(stand: DeviceStand): string {
  const device = deviceName(stand.device)
  const { failed, due } = stand
  if (failed) return t('deviceControl.reader.out_of_control', { device, day: failed.done_on, kind: t(`deviceControl.kind.${failed.kind}`) })
  if (!due) return ''
  return t(stand.takes_mark ? 'deviceControl.reader.lateTakes' : 'deviceControl.reader.late', { device, day: due.on, kind: t(`deviceControl.kind.${due.kind}`) })
}
