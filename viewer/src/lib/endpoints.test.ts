import { describe, expect, it } from 'vitest'
import { ENDPOINT_WIRES } from '@/api/deliveries'
import { deliveries as en } from '@/i18n/en/deliveries'
import { deliveries as zh } from '@/i18n/zh/deliveries'
import { begin, hasSecret, labelOf, missing, SETTINGS, settle } from './endpoints'

describe('endpoints', () => {
  it('of FHIR begin as most servers want them, and are sent as they are typed', () => {
    const typed = begin('fhir')
    expect(typed).toMatchObject({ url: 'https://', update: 'id', document: 'attached', patient_system: '' })
    expect(settle('fhir', { ...typed, url: 'https://platform/fhir', update: 'identifier' })).toMatchObject({ url: 'https://platform/fhir', update: 'identifier', within_s: 30 })
    expect(missing('fhir', { ...typed, url: ' ' })).toEqual(['settings.url'])
    expect(hasSecret('fhir')).toBe(true)
  })

  it('have a name in both languages for every field and choice of every wire', () => {
    for (const wire of ENDPOINT_WIRES) {
      expect(zh.wire[wire] && en.wire[wire]).toBeTruthy()
      for (const field of SETTINGS[wire]) {
        for (const words of [zh.field, en.field] as Record<string, string>[]) expect(words[labelOf(wire, field.name)], `${wire}.${field.name}`).toBeTruthy()
      }
    }
    const named = SETTINGS.fhir.flatMap((field) => field.choices ?? [])
    for (const one of named) expect((zh.choice as Record<string, string>)[one], one).toBeTruthy()
  })
})
