/** The shapes of docs/http.md, by hand and in its order. */
import type { DraftContent } from '@/lib/written'
import type { Override, Submission } from './checking'
import type { DeviceStand } from './deviceControl'
import type { QualityGrade } from './figures'
import type { Abnormal, LabContent, LabCounts, LabSign } from './lab'
import type { Share } from './shares'

export type Time = string
export type DateText = string

export interface Page<T, C = Record<string, number>> {
  items: T[]
  next_cursor: string | null
  counts?: C
}

export type RoleName = 'radiographer' | 'village' | 'reader' | 'reviewer' | 'it' | 'admin' | 'auditor'
export type Kind = 'imaging' | 'ecg' | 'laboratory' | 'pathology'
export type Priority = 'routine' | 'urgent' | 'critical' | 'chest_pain'
export type State = 'arriving' | 'waiting' | 'claimed' | 'submitted' | 'signed' | 'sent_back' | 'cancelled'
export type Sex = 'M' | 'F' | 'O'
export type InstitutionKind = 'lead_hospital' | 'township' | 'village'

export interface User {
  id: string
  username: string
  name: string
  institution: { id: string; code: string; name: string; kind: InstitutionKind }
  roles: { role: RoleName; centre: { id: string; name: string; kind: Kind } | null }[]
  csrf_token: string
  demo: boolean
}

export interface Person {
  id: string
  name: string
}

export interface Site {
  id: string
  code: string
  name: string
}

export interface Patient {
  name: string | null
  sex: Sex | null
  birth_date: DateText | null
  age: string | null
  patient_id: string | null
}

export interface Mark {
  item_code: string
  item_name: string
  text: string | null
  scope: string | null
  remark: string | null
  reason: string | null
}

/** The name as declared may be wrong; this is how it reads in the character set that was probably meant. */
export interface TextDoubt {
  id: string
  declared: string
  proposed: string
  name_as_declared: string
  name_as_proposed: string
}

export interface WorklistItem {
  text_doubt?: TextDoubt | null
  task_id: string
  examination_id: string
  centre: { id: string; name: string } | null
  kind: Kind
  modality: string | null
  body_part: string | null
  description: string | null
  state: State
  waiting_reason: string | null
  priority: Priority
  due_at: Time | null
  patient: Patient
  site: Site
  accession_number: string | null
  study_instance_uid: string | null
  instances: number
  expected_instances: number | null
  complete: boolean
  received_at: Time
  studied_at: Time | null
  claimed_by: Person | null
  claimed_until: Time | null
  subspecialty: string
  /** Whose it is to be, by rule or by hand, and why; `reserved`: others need a reason. */
  assigned_to: Person | null
  assigned_because: Because | null
  reserved: boolean
  handed_over_by: Person | null
  hand_over_note: string
  paused_at: Time | null
  pause_reason: string
  /** A preliminary report was signed then; the final one is due at `due_at`. */
  preliminary_at: Time | null
  has_clinical_information: boolean
  late_instances: number
  /** The reviewer gave the draft back to its writer. */
  rejected: boolean
  draft_revision: number | null
  /** The patient was corrected to somebody else than the standing report names. */
  identity_changed_after_signing: boolean
  report_id: string | null
  /** Of a specimen in the laboratory. */
  lab?: LabCounts | null
  /** How well it was made. */
  quality?: QualityGrade | null
}

/** Why a task is somebody's, or why it is nobody's. */
export interface Because {
  reasons?: string[]
  covers_for?: string
  considered?: number
  load?: number
  nobody?: string
  released_by?: string
}

export interface WorklistCounts {
  arriving: number
  waiting: number
  claimed: number
  submitted: number
  signed: number
  sent_back: number
  mine: number
  assigned: number
  awaiting_final: number
  final_overdue: number
}

export interface WorklistQuery {
  centre?: string
  state?: State[]
  kind?: Kind
  modality?: string
  site?: string
  lab?: LabSign
  from?: DateText
  to?: DateText
  q?: string
  mine?: true
  assigned?: 'me' | 'pool'
  awaiting_final?: true
  limit?: number
  cursor?: string
}

export interface Draft {
  findings: string
  impression: string
  clinical_information: string | null
  critical: boolean
  /** Statements of an ECG by which it must be critical. */
  critical_because?: string[]
  preliminary: boolean
  /** Whether something was found, as the writer said; null: the words decide. */
  positive?: boolean | null
  positive_by_words?: boolean
  content: DraftContent | null
  revision: number
  saved_at: Time
  /** Whose words the newest are: in review not the writer's. */
  saved_by: Person
  writer: Person
  state: 'draft' | 'submitted'
}

export interface Permissions {
  claim: boolean
  release: boolean
  edit: boolean
  submit: boolean
  reject: boolean
  sign: boolean
  send_back: boolean
  hand_over: boolean
  take_over: boolean
  sign_preliminary: boolean
  pause: boolean
  resume: boolean
}

/** One released result of a specimen that is not as it should be. */
export interface AbnormalItem {
  item_code: string
  name: string
  name_en: string
  abbreviation: string
  value: string
  unit: string
  abnormal: Abnormal
  critical: boolean
}

export interface Prior {
  examination_id: string
  kind: Kind
  modality: string
  body_part: string
  description: string
  studied_at: Time | null
  received_at: Time
  site: Site
  /** As that institution knows them. */
  patient: Patient
  /** The patient index says that it is the same person. */
  linked: boolean
  /** Another institution made it. */
  elsewhere: boolean
  state: State
  study_instance_uid: string | null
  positive: boolean | null
  critical: boolean
  /** Of a specimen the first ones, of `abnormal_count`. */
  abnormal: AbnormalItem[]
  abnormal_count: number
  documents: number
  report: {
    report_id: string
    version: number
    impression: string
    preliminary: boolean
    signed_at: Time
    signed_by: Person
  } | null
}

/** What came with an examination beside its images. */
export interface PriorDocument {
  id: string
  name: string
  media_type: string
  url: string
}

export interface OpenedPrior {
  prior: Prior
  findings: string
  measurements: Record<string, number>
  documents: PriorDocument[]
}

export interface TaskDetail {
  task: WorklistItem
  examination: ExaminationDetail
  draft: Draft | null
  review_required: boolean
  permissions: Permissions
  rejection: { reason: string; by: Person; at: Time } | null
  overrides: Override[]
  submission: Submission | null
  /** Out of control, or late with a check, when it was made. */
  doubted_device: DeviceStand | null
  /** The newest; the rest comes page by page. */
  priors: Prior[]
  priors_total: number
  priors_cursor: string | null
}

export interface Slot {
  name: string
  type: 'choice' | 'many' | 'number' | 'text' | 'side' | 'date'
  choices: string[]
  default: string
  unit: string
  low: number | null
  high: number | null
  decimals: number
  required: boolean
}

/** A template, or a phrase of the book in force. `chosen`: what one key writes for this examination. */
export interface Phrase {
  code: string
  name: string
  initials: string
  use: 'template' | 'phrase'
  normal: boolean
  chosen: boolean
  fit: 'exact' | 'wider' | 'any' | 'part' | 'other'
  findings: string
  impression: string
  text: string
  into: 'findings' | 'impression' | 'both'
  slots: Slot[]
  score: string
  version: number
}

export interface Delivery {
  recipient: Site
  notice: 'report' | 'void'
  state: 'pending' | 'delivered' | 'opened' | 'acknowledged' | 'failed'
  delivered_at: Time | null
  opened_at: Time | null
  opened_by: Person | null
  acknowledged_at: Time | null
  acknowledged_by: Person | null
}

export interface Report {
  report_id: string
  number: string
  version: number
  state: 'signed' | 'superseded' | 'void'
  identity_changed_after_signing: boolean
  examination: ExaminationItem
  patient: Patient
  findings: string
  impression: string
  clinical_information: string | null
  content: DraftContent | LabContent | null
  writer: Person | null
  reviewer: Person | null
  signed_by: Person
  signed_at: Time
  preliminary: boolean
  critical: boolean
  marks: Mark[]
  centre: { id: string; name: string }
  site: Site
  verification_url: string
  deliveries: Delivery[]
  shares: Share[]
  manifest_sha256: string | null
  pdf_sha256: string | null
  /** Whom to call about it, the county first; `dialled` for a telephone. */
  phones: { name: string; phone: string; dialled: string }[]
  amendment: Amendment | null
  key_images: { id: string; caption: string; snapshot: boolean; width: number; height: number }[]
}

export interface Amendment {
  kind: 'addendum' | 'correction' | 'final'
  reason: string
  of_version: number
}

export interface Device {
  id: string
  ae_title: string
  name: string | null
}

export interface ExaminationItem extends WorklistItem {
  device: Device | null
  returned: { return_id: string; report_id: string; state: ReturnState; signed_at: Time } | null
  sent_back_reason: string | null
  held: number
  /** The village point to which the report goes too. */
  village: Person | null
}

export interface IdentityChange {
  at: Time
  by: Person
  reason: string
  before: Partial<Patient>
  after: Partial<Patient>
}

export interface ExaminationDetail extends ExaminationItem {
  clinical_information: string | null
  patient_as_received: Patient | null
  identity_changes: IdentityChange[]
  series: { series_instance_uid: string; modality: string | null; description: string | null; instances: number }[]
  history: { at: Time; what: string; by: Person | null }[]
}

export type ExaminationCounts = Partial<Record<State | 'today' | 'incomplete', number>>

export interface IdentityBody {
  name: string
  sex: Sex | null
  birth_date: DateText | null
  patient_id: string
  reason: string
}

export interface Refusal {
  at: Time
  device: Device | null
  what: 'connection' | 'association' | 'instance' | 'message' | 'file'
  reason: string
  advice: string | null
  sop_instance_uid: string | null
  count: number
}

export type ReturnState = 'delivered' | 'opened' | 'acknowledged'

export interface ReturnItem {
  id: string
  report_id: string
  version: number
  examination_id: string
  kind: Kind
  modality: string | null
  body_part: string | null
  description: string | null
  patient: Patient
  site: Site
  centre: { id: string; name: string }
  signed_at: Time
  signed_by: Person
  marks: Mark[]
  critical: boolean
  preliminary: boolean
  notice: 'report' | 'void'
  amendment: Amendment | null
  state: ReturnState
  delivered_at: Time | null
  /** Of its newest code. */
  share: Pick<Share, 'state' | 'revoked_because' | 'opened_at' | 'acknowledged_at' | 'acknowledged_as'> | null
}

export interface Overview {
  sent_today: { count: number; arriving: number; incomplete: number; held: number; refused: number }
  reading: { count: number; urgent: number; next_due_at: Time | null }
  returned: { unread: number; today: number }
  devices: { out_of_control: number; late: number }
  laboratory: LabOverview | null
}

/** The township's specimens; `rejected` says why the last of those were. */
export interface LabOverview {
  registered_today: number
  to_send: number
  on_the_way: number
  late: number
  wanted_anew: number
  rejected: { id: string; barcode: string; reason: string }[]
  returned_today: number
  unread: number
  critical: number
}

/** Chest pain that this person was called to and nobody has taken. */
export interface DutyCall {
  id: string
  called_at: Time
  task: WorklistItem
}

export type Topic = 'worklist' | 'returns' | 'system' | 'held' | 'patients' | 'duty' | 'lab' | 'critical' | 'devices'
