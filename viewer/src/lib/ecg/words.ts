/** What stands at the foot of the paper. */
import { t } from '@/i18n'
import { applies, type ViewFilters } from './filters'
import type { EcgFilters } from './recordings'

function listed(parts: (string | false | null | 0)[]): string {
  return parts.filter(Boolean).join(t('ecg.comma'))
}

export function viewFilterWords(filters: ViewFilters, rateHz: number, exact: boolean): string {
  const text = listed([
    applies(filters.baselineHz, rateHz) && t('ecg.highPass', { hz: filters.baselineHz }),
    applies(filters.lowPassHz, rateHz) && t('ecg.lowPassAt', { hz: filters.lowPassHz }),
    applies(filters.notchHz, rateHz) && t('ecg.notchAt', { hz: filters.notchHz }),
  ])
  if (!text) return t('ecg.viewFiltersNone')
  return exact ? t('ecg.viewFilters', { text }) : t('ecg.viewFiltersCoarse')
}

export function cartFilterWords(filters: EcgFilters | undefined): string {
  const text = filters
    ? listed([
        filters.high_pass_hz !== null && t('ecg.highPass', { hz: filters.high_pass_hz }),
        filters.low_pass_hz !== null && t('ecg.lowPassAt', { hz: filters.low_pass_hz }),
        filters.notch_hz !== null && t('ecg.notchAt', { hz: filters.notch_hz }),
      ])
    : ''
  return text ? t('ecg.cartFilters', { text }) : t('ecg.cartFiltersUnknown')
}
