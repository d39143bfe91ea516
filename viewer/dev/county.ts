/** A generated county: institutions, people, and examinations that change as one works. */
import type { IncomingHttpHeaders } from 'node:http'
import type { ExaminationDetail, ExaminationItem, Mark, Patient, Priority, Report, ReturnItem, RoleName, State, User, WorklistCounts, WorklistItem } from '../src/api/types'

const SITES = ['青石镇中心卫生院', '河东乡卫生院', '大柳镇卫生院', '北岭乡卫生院', '永安镇卫生院', '石桥乡卫生院'].map((name, i) => ({ id: `site-${i}`, code: `T0${i + 1}`, name }))
const CENTRE = { id: 'centre-imaging', name: '县影像诊断中心' }
const WANG = { id: 'p-wang', name: '王建国' }
const LI = { id: 'p-li', name: '李敏' }
/** Studies on a DICOMweb server beside (`STUDIES=uid,uid`), so that the reading room has something to show. */
const STUDIES = (process.env.STUDIES ?? '1.2.840.99.0').split(',')
const now = Date.now()
const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString()

function user(username: string, name: string, roles: RoleName[], kind: User['institution']['kind'], institution: string, id = `p-${username}`): User {
  const centre = { ...CENTRE, kind: 'imaging' as const }
  return {
    id, username, name, demo: true, csrf_token: 'csrf',
    institution: { id: kind === 'township' ? 'site-0' : 'lead-1', code: 'X', name: institution, kind },
    roles: roles.map((role) => ({ role, centre: role === 'reader' || role === 'reviewer' ? centre : null })),
  }
}

export const people: Record<string, User> = {
  reader: user('reader', '王建国', ['reader'], 'lead_hospital', '清河县人民医院', 'p-wang'),
  reviewer: user('reviewer', '李敏', ['reader', 'reviewer'], 'lead_hospital', '清河县人民医院', 'p-li'),
  radiographer: user('radiographer', '赵小燕', ['radiographer'], 'township', '青石镇中心卫生院'),
  village: user('village', '孙德福', ['village'], 'village', '柳树沟村卫生室'),
  it: user('it', '周明', ['it'], 'lead_hospital', '清河县人民医院'),
  admin: user('admin', '吴芳', ['admin'], 'lead_hospital', '清河县人民医院'),
  auditor: user('auditor', '郑强', ['auditor'], 'lead_hospital', '清河县人民医院'),
}

const NAMES = '张伟 王秀英 李桂兰 刘强 陈静 杨洋 赵铁柱 黄丽 周建华 吴德海 徐小龙 孙玉梅 马超 朱文博 胡春燕 郭富贵 何雪 林志远 高淑珍 罗永安 欧阳明月 上官婉儿 仇东升 买买提·艾力'.split(' ')
const PARTS: [string, string, string][] = [['CT', '胸部', '胸部 CT 平扫'], ['DX', '胸部', '胸部正位'], ['US', '腹部', '上腹部超声'], ['MR', '颅脑', '颅脑 MR 平扫'], ['CT', '颅脑', '头颅 CT 平扫'], ['DX', '腰椎', '腰椎正侧位'], ['MR', '腰椎', '腰椎 MR 平扫'], ['DX', '左膝', '左膝正侧位']]

function patient(i: number): Patient {
  const year = 1938 + ((i * 7) % 80)
  return { name: NAMES[i % NAMES.length] ?? null, sex: i % 3 === 0 ? 'M' : 'F', birth_date: `${year}-0${(i % 9) + 1}-1${i % 9}`, age: `${2026 - year}岁`, patient_id: `QS2026${String(1000 + i * 37)}` }
}

function examination(i: number): ExaminationDetail {
  const [modality, body_part, description] = PARTS[i % PARTS.length]!
  const state: State = i === 3 || i === 17 ? 'arriving' : i % 7 === 4 ? 'claimed' : i % 11 === 6 ? 'submitted' : i >= 26 ? (i % 9 === 0 ? 'sent_back' : 'signed') : 'waiting'
  const priority: Priority = i === 2 ? 'chest_pain' : i === 7 || i === 12 ? 'urgent' : 'routine'
  const minutes = 6 + ((i * 23) % 300) + (state === 'signed' ? 600 : 0)
  const many = modality === 'CT' ? 120 + i * 4 : modality === 'MR' ? 80 : 2
  return {
    task_id: `task-${i}`, examination_id: `exam-${i}`, centre: CENTRE, kind: 'imaging', modality, body_part, description, state,
    waiting_reason: i === 9 ? '没有生效的协作协议,暂不能分派' : null,
    priority, due_at: ago(minutes - (priority === 'routine' ? 240 : 30)), patient: patient(i), site: SITES[i % 6]!,
    accession_number: `A2611210${String(i).padStart(3, '0')}`, study_instance_uid: STUDIES[i % STUDIES.length]!,
    instances: state === 'arriving' ? Math.floor(many * 0.7) : many, expected_instances: i % 2 ? many : null, complete: state !== 'arriving',
    received_at: ago(minutes), studied_at: ago(minutes + 8), claimed_by: state === 'claimed' ? (i % 2 ? WANG : LI) : state === 'submitted' ? WANG : null,
    claimed_until: null, subspecialty: '', assigned_to: null, assigned_because: null, reserved: false, handed_over_by: null, hand_over_note: '', paused_at: null, pause_reason: '', preliminary_at: null, has_clinical_information: i % 3 === 0, late_instances: i === 4 ? 12 : 0, rejected: i === 11, draft_revision: null, identity_changed_after_signing: i === 27, report_id: state === 'signed' ? `report-${i}` : null,
    device: { id: `dev-${i % 2}`, ae_title: i % 2 ? 'DEMO_DR' : 'DEMO_CT', name: i % 2 ? '万东 DR' : '联影 CT' },
    returned: state === 'signed' ? { return_id: `return-${i}`, report_id: `report-${i}`, state: i % 3 ? 'delivered' : 'acknowledged', signed_at: ago(minutes - 90) } : null,
    sent_back_reason: state === 'sent_back' ? '第 3 序列有明显呼吸运动伪影,请重扫' : null, held: i === 24 ? 2 : 0, village: null,
    clinical_information: i % 3 === 0 ? '咳嗽、咳痰 2 周,伴活动后气促。既往慢阻肺 10 年。' : null,
    patient_as_received: null, identity_changes: [],
    series: [{ series_instance_uid: `1.2.840.99.${i}.1`, modality, description: '平扫 5.0mm', instances: many }],
    history: [{ at: ago(minutes), what: '收到第一幅图像', by: null }, { at: ago(minutes - 2), what: '图像完整', by: null }],
  }
}

const examinations = Array.from({ length: 46 }, (_, i) => examination(i))
const drafts = new Map<string, { findings: string; impression: string; critical: boolean; preliminary: boolean; revision: number; saved_at: string }>()
let arrivals = 0

const MARKS: Mark[] = [
  { item_code: 'CT-CHEST', item_name: '胸部 CT 平扫', text: '全国HR', scope: 'national', remark: null, reason: null },
  { item_code: 'CT-3D', item_name: '三维重建', text: null, scope: null, remark: null, reason: '不在互认目录内' },
]

function report(i: number): Report {
  const item = examinations[i]!
  return {
    report_id: `report-${i}`, number: `YX20261121-0${i}`, version: 1, state: 'signed', identity_changed_after_signing: item.identity_changed_after_signing, examination: item, patient: item.patient,
    findings: '胸廓对称,双肺纹理清晰。右肺上叶尖段见一实性结节,直径约 6 mm,边界清。余肺野未见异常密度影。气管及主要支气管通畅,纵隔未见肿大淋巴结。心影大小正常。',
    impression: '1. 右肺上叶尖段实性小结节(约 6 mm),建议 6 个月后 CT 复查。\n2. 余胸部 CT 平扫未见明显异常。',
    clinical_information: '咳嗽、咳痰 2 周。', content: null, writer: WANG, reviewer: LI, signed_by: LI, signed_at: ago(55 + i), preliminary: false, critical: i % 5 === 0,
    marks: MARKS, centre: CENTRE, site: item.site, verification_url: 'http://127.0.0.1:8080/v/7GQ2-MX4K', manifest_sha256: 'a'.repeat(64), pdf_sha256: 'b'.repeat(64), phones: [{ name: CENTRE.name, phone: '0571-88001234', dialled: '057188001234' }], amendment: null,
    shares: [], key_images: [],
    deliveries: [{ notice: 'report', recipient: item.site, state: 'opened', delivered_at: ago(54 + i), opened_at: ago(40), opened_by: { id: 'p-z', name: '赵小燕' }, acknowledged_at: null, acknowledged_by: null }, { notice: 'report', recipient: { id: 'v', code: 'V1', name: '柳树沟村卫生室' }, state: 'delivered', delivered_at: ago(54), opened_at: null, opened_by: null, acknowledged_at: null, acknowledged_by: null }],
  }
}

const returns: ReturnItem[] = examinations.flatMap((item, i) => (item.returned ? [{
  id: item.returned.return_id, report_id: item.returned.report_id, version: 1, examination_id: item.examination_id, kind: item.kind, modality: item.modality, body_part: item.body_part, description: item.description,
  patient: item.patient, site: item.site, centre: CENTRE, signed_at: item.returned.signed_at, signed_by: LI, marks: MARKS, critical: i % 5 === 0, preliminary: i % 8 === 1, state: item.returned.state, notice: 'report' as const, amendment: null, share: null, delivered_at: item.returned.signed_at,
}] : []))

function counts(items: WorklistItem[], me: string): WorklistCounts {
  const of = (state: State) => items.filter((item) => item.state === state).length
  return { arriving: of('arriving'), waiting: of('waiting'), claimed: of('claimed'), submitted: of('submitted'), signed: of('signed'), sent_back: of('sent_back'), mine: items.filter((item) => item.claimed_by?.id === me && item.state !== 'signed').length, assigned: items.filter((item) => item.assigned_to?.id === me).length, awaiting_final: 0, final_overdue: 0 }
}

function matches(item: WorklistItem, query: URLSearchParams): boolean {
  const q = query.get('q')
  if (q && ![item.patient.name, item.patient.patient_id, item.accession_number].some((text) => text?.includes(q))) return false
  for (const key of ['modality', 'kind'] as const) if (query.get(key) && item[key] !== query.get(key)) return false
  return !query.get('site') || item.site.id === query.get('site')
}

const RANK: Record<Priority, number> = { chest_pain: 0, critical: 1, urgent: 2, routine: 3 }
type Answer = { status: number; body?: unknown; type?: string }
const fail = (status: number, code: string, detail: string, more = {}): Answer => ({ status, body: { type: 'about:blank', title: code, status, code, detail, ...more } })

export function answer(method: string, path: string, query: URLSearchParams, body: Record<string, unknown>, me: User | undefined, headers: IncomingHttpHeaders): Answer {
  const id = me?.id ?? ''
  const [, area, key, verb] = path.split('/')
  if (path === '/session') return { status: 200, body: { user: me } }
  if (path === '/worklist') {
    arrivals += 1
    if (arrivals % 6 === 0) examinations.push({ ...examination(examinations.length % 20), task_id: `task-${examinations.length}`, examination_id: `exam-${examinations.length}`, state: 'waiting', received_at: new Date().toISOString(), claimed_by: null })
    const found = examinations.filter((item) => matches(item, query))
    const states = query.getAll('state').length ? query.getAll('state') : ['arriving', 'waiting', 'claimed', 'submitted']
    const items = found.filter((item) => states.includes(item.state) && (!query.get('mine') || item.claimed_by?.id === id))
    items.sort((a, b) => RANK[a.priority] - RANK[b.priority] || a.received_at.localeCompare(b.received_at))
    return { status: 200, body: { items: items.slice(0, 100), next_cursor: null, counts: counts(found, id) } }
  }
  if (area === 'tasks' && key) return task(method, key, verb, body, me!, headers)
  if (path === '/phrases') return { status: 200, body: [{ code: 'n', name: '胸部 CT 正常', findings: '胸廓对称,双肺纹理清晰,肺野未见异常密度影。气管及主要支气管通畅。纵隔居中,未见肿大淋巴结。心影大小正常。双侧胸腔未见积液。', impression: '胸部 CT 平扫未见明显异常。', normal: true }, { code: 'jj', name: '肺小结节', findings: '右肺上叶见一实性结节,直径约 __ mm,边界清。', impression: '右肺上叶小结节,建议 6 个月后复查。', normal: false }] }
  if (path === '/villages') return { status: 200, body: [{ id: 'v1', code: 'V1', name: '柳树沟村卫生室' }] }
  if (path === '/overview') return { status: 200, body: { sent_today: { count: 14, arriving: 1, incomplete: 1, held: 2, refused: 3 }, reading: { count: 6, urgent: 1, next_due_at: ago(-25) }, returned: { unread: returns.filter((r) => r.state === 'delivered').length, today: 7 }, devices: { out_of_control: 0, late: 0 } } }
  if (path === '/returns') return { status: 200, body: { items: returns.filter((one) => !query.get('state') || one.state === query.get('state')), next_cursor: null, counts: { delivered: returns.filter((r) => r.state === 'delivered').length, opened: 0, acknowledged: 3 } } }
  if (area === 'returns' && key && verb === 'acknowledge') { const one = returns.find((r) => r.id === key)!; one.state = 'acknowledged'; return { status: 200, body: one } }
  if (path === '/refusals') return { status: 200, body: [{ at: ago(35), device: { id: 'd', ae_title: 'DEMO_CT', name: '联影 CT' }, what: 'instance', reason: '缺少 SOP Instance UID,无法保存', advice: '在设备上重新发送;若仍被拒收,请联系厂家工程师检查导出设置。', sop_instance_uid: null, count: 3 }, { at: ago(300), device: null, what: 'association', reason: '呼叫 AE “CT_ROOM2” 未登记', advice: '请县级管理员登记这台设备,或把设备的 AE 改回 DEMO_CT。', sop_instance_uid: null, count: 12 }] }
  if (path === '/examinations' && method === 'POST') return { status: 201, body: { accepted: [{ name: 'IM0001.dcm', examination_id: 'exam-1' }], refused: [{ name: '说明.txt', reason: '不是 DICOM 文件' }] } }
  if (path === '/examinations') {
    const states = query.getAll('state')
    const found = examinations.filter((item) => matches(item, query) && (!states.length || states.includes(item.state)) && (!query.get('incomplete') || !item.complete) && (!query.get('held') || item.held > 0))
    return { status: 200, body: { items: [...found].sort((a, b) => b.received_at.localeCompare(a.received_at)) satisfies ExaminationItem[], next_cursor: null, counts: { ...counts(examinations, id), today: 14, incomplete: 1 } } }
  }
  if (area === 'examinations' && key) {
    const item = examinations.find((one) => one.examination_id === key)
    if (!item) return fail(404, 'not_found', '没有这个检查。')
    if (method === 'PATCH') Object.assign(item, body)
    if (verb === 'identity') item.identity_changes.push({ at: new Date().toISOString(), by: { id, name: me!.name }, reason: String(body.reason), before: item.patient, after: body as Partial<Patient> })
    if (verb === 'identity') item.patient = { ...item.patient, ...(body as Partial<Patient>) }
    return { status: 200, body: item }
  }
  if (area === 'reports' && key) return verb === 'pdf' ? { status: 202, body: {} } : { status: 200, body: report(Number(key.split('-')[1])) }
  if (area === 'verifications') return key === 'bad' ? fail(404, 'not_found', '没有这个验证码对应的报告。') : { status: 200, body: { valid: true, number: 'YX20261121-031', version: 1, state: 'signed', signed_at: ago(55), signed_by: LI, centre: CENTRE, site: SITES[0], patient: '王**', pdf_sha256: 'b'.repeat(64) } }
  return fail(404, 'not_found', `mock: ${method} ${path}`)
}

/** A film and a tracing from before, with what opening one adds. */
function priorsOf(site: unknown, patient: unknown) {
  const both = { site, patient, linked: false, elsewhere: false, state: 'signed', critical: false, abnormal: [], abnormal_count: 0, documents: 0 }
  const signed = (id: string, days: number, impression: string) => ({ report_id: id, version: 1, impression, preliminary: false, signed_at: ago(60 * 24 * days), signed_by: LI })
  return [
    { ...both, examination_id: 'exam-40', kind: 'imaging', modality: 'CT', body_part: '胸部', description: '胸部 CT 平扫', studied_at: ago(60 * 24 * 190), received_at: ago(60 * 24 * 190), study_instance_uid: '1.2.3', positive: true, report: signed('report-40', 190, '右肺上叶小结节,建议随访。') },
    { ...both, examination_id: 'exam-41', kind: 'ecg', modality: 'ECG', body_part: '', description: '静息心电图', studied_at: ago(60 * 24 * 12), received_at: ago(60 * 24 * 12), study_instance_uid: null, positive: false, report: signed('report-41', 12, '窦性心律,正常心电图。') },
  ]
}

function task(method: string, key: string, verb: string | undefined, body: Record<string, unknown>, me: User, headers: IncomingHttpHeaders): Answer {
  const item = examinations.find((one) => one.task_id === key)
  if (!item) return fail(404, 'not_found', '没有这个任务。')
  const mine = item.claimed_by?.id === me.id
  const person = { id: me.id, name: me.name }
  if (method === 'GET' && verb === 'priors') return { status: 200, body: { prior: priorsOf(item.site, item.patient)[0], findings: '右肺上叶尖段见一实性结节,直径约 5 mm。', measurements: {}, documents: [] } }
  if (method === 'GET') {
    const saved = drafts.get(key)
    const reviewing = item.state === 'submitted' && me.username === 'reviewer'
    const editing = item.state === 'claimed' && mine
    return { status: 200, body: { task: item, examination: item, draft: saved ? { ...saved, clinical_information: null, writer: WANG, state: item.state === 'submitted' ? 'submitted' : 'draft' } : null, review_required: true, permissions: { claim: item.state === 'waiting' || item.state === 'arriving', release: editing, edit: editing || reviewing, submit: editing, reject: reviewing, sign: reviewing, send_back: editing }, rejection: null, overrides: [], submission: null, doubted_device: null, priors: priorsOf(item.site, item.patient), priors_total: 2, priors_cursor: null } }
  }
  if (verb === 'claim') {
    if (item.claimed_by && !mine) return fail(409, 'task_already_claimed', `${item.claimed_by.name} 已领取这份检查。`)
    item.state = 'claimed'
    item.claimed_by = person
  }
  if (verb === 'release') Object.assign(item, { state: 'waiting', claimed_by: null })
  if (verb === 'send-back') Object.assign(item, { state: 'sent_back', sent_back_reason: body.reason })
  if (verb === 'check') return { status: 200, body: { revision: drafts.get(item.task_id)?.revision ?? 0, doubts: [], overrides: [], reasoned: [], quick_reasons: [] } }
  if (verb === 'submit') item.state = 'submitted'
  if (verb === 'reject') item.state = 'claimed'
  if (verb === 'confirm-late') item.late_instances = 0
  if (verb === 'sign') {
    item.state = 'signed'
    return { status: 200, body: { report_id: `report-${key.split('-')[1]}`, version: 1 } }
  }
  if (verb === 'report') {
    const before = drafts.get(key)
    const current = before?.revision ?? 0
    if (headers['if-match'] !== `"${current}"`) return fail(412, 'draft_changed', '草稿已在别处修改。', { current: { ...before, writer: WANG, state: 'draft', clinical_information: null } })
    const next = { ...(body as { findings: string; impression: string; critical: boolean; preliminary: boolean }), revision: current + 1, saved_at: new Date().toISOString() }
    drafts.set(key, next)
    return { status: 200, body: { ...next, clinical_information: null, writer: person, state: 'draft' } }
  }
  return { status: 200, body: item }
}
