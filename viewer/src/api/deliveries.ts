/** Reports on their way to other systems, and what nobody has opened. Shapes as in docs/http.md. */
import { api } from './client'
import type { Kind, ReturnItem, Site, Time } from './types'

export type EndpointWire = 'hl7_oru' | 'hl7_mdm' | 'dicom_pdf' | 'dicom_sr' | 'fhir' | 'webhook' | 'mail'
export const ENDPOINT_WIRES: readonly EndpointWire[] = ['hl7_oru', 'hl7_mdm', 'dicom_pdf', 'dicom_sr', 'fhir', 'webhook', 'mail']
export type DeliveryState = 'pending' | 'sent' | 'refused' | 'gave_up' | 'skipped'
export const DELIVERY_STATES: readonly DeliveryState[] = ['pending', 'refused', 'gave_up', 'sent', 'skipped']

export interface EndpointLine {
  id: string
  name: string
  wire: EndpointWire
  site: Site
  enabled: boolean
}

export type Settings = Record<string, string | number | boolean | string[]>

export interface Endpoint extends EndpointLine {
  revision: string
  where: string
  settings: Settings
  has_secret: boolean
  has_client_key: boolean
  kinds: Kind[]
  made_at: Time
  failing_since: Time | null
  retry_at: Time | null
  last_answer: string
  last_cause_text: string
  last_sent_at: Time | null
  pending: number
  refused: number
  gave_up: number
}

export interface DeliveryItem {
  id: string
  endpoint: EndpointLine
  report_number: string
  version: number
  kind: Kind
  event: 'report' | 'void'
  state: DeliveryState
  attempts: number
  queued_at: Time
  next_at: Time | null
  answer: string
  cause_text: string
  sent_at: Time | null
}

/** `cause_text`: empty where `answer`, the peer's own words, says why. */
export interface Attempt {
  number: number
  begun_at: Time
  ended_at: Time | null
  outcome: 'sent' | 'refused' | 'busy' | 'unreachable' | null
  answer: string
  cause_text: string
}

export interface DeliveryPage {
  items: DeliveryItem[]
  next_cursor: string | null
  counts: Record<string, number>
}

export interface EndpointBody {
  institution_id?: string
  name: string
  wire?: EndpointWire
  settings: Settings
  secret?: string
  client_key?: string
  kinds: Kind[]
  enabled: boolean
}

export interface UnreadPage {
  items: (ReturnItem & { recipient: Site })[]
  next_cursor: string | null
  sites: { site: Site; count: number; critical: number; oldest_at: Time }[]
}

export const listEndpoints = () => api.get<{ items: Endpoint[]; may_change: boolean }>('/endpoints')
export const addEndpoint = (body: EndpointBody) => api.post<Endpoint>('/endpoints', body)
export const changeEndpoint = (id: string, body: Partial<EndpointBody>, revision: string) => api.patch<Endpoint>(`/endpoints/${id}`, body, { ifMatch: revision })
export const tryEndpoint = (id: string) => api.post<{ reached: boolean; answer: string; cause_text: string }>(`/endpoints/${id}/test`)
export const resendStuck = (id: string) => api.post<{ resent: number }>(`/endpoints/${id}/resend`)
export const listDeliveries = (query: { state?: DeliveryState; endpoint?: string; number?: string; limit?: number; cursor?: string | null }) => api.get<DeliveryPage>('/deliveries', query)
export const readDelivery = (id: string) => api.get<DeliveryItem & { tries: Attempt[] }>(`/deliveries/${id}`)
export const resend = (id: string) => api.post<DeliveryItem>(`/deliveries/${id}/resend`)
export const listUnread = (query: { hours: number; recipient?: string; limit?: number; cursor?: string | null }) => api.get<UnreadPage>('/unread-returns', query)
