/** What is entered for an endpoint, wire by wire, in the order of the form. Fields as in docs/http.md. */
import type { EndpointWire, Settings } from '@/api/deliveries'

export interface SettingField {
  name: string
  type: 'text' | 'number' | 'check' | 'choice' | 'lines' | 'pem'
  choices?: readonly string[]
  initial: string | number | boolean
  required?: boolean
}

const HOST: SettingField = { name: 'host', type: 'text', initial: '', required: true }
const WITHIN: SettingField = { name: 'within_s', type: 'number', initial: 30 }
const TLS: SettingField = { name: 'tls', type: 'check', initial: false }
const PEM: SettingField = { name: 'authorities_pem', type: 'pem', initial: '' }
const OURS: SettingField = { name: 'certificate_pem', type: 'pem', initial: '' }
const port = (usual: number): SettingField => ({ name: 'port', type: 'number', initial: usual, required: true })

const HL7: readonly SettingField[] = [
  HOST,
  port(2575),
  { name: 'character_set', type: 'choice', choices: ['UTF-8', 'GB18030'], initial: 'UTF-8' },
  { name: 'application', type: 'text', initial: '' },
  { name: 'facility', type: 'text', initial: '' },
  WITHIN,
  { name: 'document', type: 'check', initial: true },
  TLS,
  PEM,
  OURS,
]
const DICOM: readonly SettingField[] = [
  HOST,
  port(104),
  { name: 'called_ae_title', type: 'text', initial: '', required: true },
  { name: 'calling_ae_title', type: 'text', initial: 'GATEWAY', required: true },
  { name: 'character_set', type: 'choice', choices: ['ISO_IR 192', 'GB18030'], initial: 'ISO_IR 192' },
  WITHIN,
  TLS,
  PEM,
  OURS,
]

export const SETTINGS: Record<EndpointWire, readonly SettingField[]> = {
  hl7_oru: HL7,
  hl7_mdm: HL7,
  dicom_pdf: DICOM,
  dicom_sr: DICOM,
  fhir: [
    { name: 'url', type: 'text', initial: 'https://', required: true },
    { name: 'update', type: 'choice', choices: ['id', 'identifier'], initial: 'id' },
    { name: 'document', type: 'choice', choices: ['attached', 'binary', 'none'], initial: 'attached' },
    { name: 'patient_system', type: 'text', initial: '' },
    WITHIN,
    PEM,
    OURS,
  ],
  webhook: [
    { name: 'url', type: 'text', initial: 'https://', required: true },
    { name: 'content', type: 'choice', choices: ['notice', 'report'], initial: 'notice' },
    WITHIN,
    { name: 'allow_plain', type: 'check', initial: false },
    PEM,
    OURS,
  ],
  mail: [
    HOST,
    port(587),
    { name: 'security', type: 'choice', choices: ['starttls', 'tls'], initial: 'starttls' },
    { name: 'username', type: 'text', initial: '' },
    { name: 'sender', type: 'text', initial: '', required: true },
    { name: 'recipients', type: 'lines', initial: '', required: true },
    WITHIN,
    PEM,
  ],
}

/** Only these have one: the token of a FHIR server, the key of a webhook, the password of a mail account. */
export const hasSecret = (wire: EndpointWire): boolean => wire === 'fhir' || wire === 'webhook' || wire === 'mail'

/** What a field is called: two wires have one of the same name that is something else. */
export const labelOf = (wire: EndpointWire, field: string): string => (wire === 'fhir' && (field === 'document' || field === 'url') ? `fhir_${field}` : field)

export type Typed = Record<string, string | number | boolean>

export function begin(wire: EndpointWire, known?: Settings): Typed {
  return Object.fromEntries(
    SETTINGS[wire].map((field) => {
      const value = known?.[field.name] ?? field.initial
      return [field.name, Array.isArray(value) ? value.join('\n') : value]
    }),
  )
}

export function settle(wire: EndpointWire, typed: Typed): Settings {
  return Object.fromEntries(
    SETTINGS[wire].map((field) => {
      const value = typed[field.name] ?? field.initial
      return [field.name, field.type === 'lines' ? String(value).split(/[\s,;，；]+/).filter(Boolean) : value]
    }),
  )
}

export const missing = (wire: EndpointWire, typed: Typed): string[] =>
  SETTINGS[wire].filter((field) => field.required && String(typed[field.name] ?? '').trim() === '').map((field) => `settings.${field.name}`)
