/** What an ECG report says besides its words, as it is shown where nobody writes: on paper, between two drafts. */
import { t } from '@/i18n'
import { MEASURES, type EcgContent, type Measure, type Measurements } from './content'

export interface MeasureText {
  name: Measure
  label: string
  text: string
}

const unitOf = (name: Measure): string => (name.endsWith('_ms') ? ' ms' : name.endsWith('_deg') ? '°' : ` ${t('ecgReport.perMinute')}`)

export function measureTexts(measurements: Measurements | undefined): MeasureText[] {
  return MEASURES.filter((name) => measurements?.[name] !== undefined).map((name) => ({
    name,
    label: name === 'qtc_ms' ? `${t('ecgReport.measure.qtc_ms')} (${t(`ecgReport.formulas.${measurements!.qtc_formula}`)})` : t(`ecgReport.measure.${name}`),
    text: `${measurements![name]}${unitOf(name)}`,
  }))
}

/** In one line; statements by how many there are, for their words stand in the impression. */
export function contentText(content: EcgContent): string {
  const numbers = measureTexts(content.measurements).map((one) => `${one.label} ${one.text}`)
  return [...numbers, `${t('ecgReport.statements')} ${content.statements.length}`].join(' · ')
}
