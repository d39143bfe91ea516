/** Generated answers for IT, held originals, administration and the auditor: a county with a few things wrong. */
import type { Change, HeldDetail, Row } from '../src/api/operations'

type Answer = { status: number; body?: unknown; type?: string }
const now = Date.now()
const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString()
const ok = (body: unknown): Answer => ({ status: 200, body })
const page = (items: unknown[]): Answer => ok({ items, next_cursor: null })
const missing: Answer = { status: 404, body: { type: 'about:blank', title: 'not_found', status: 404, code: 'not_found', detail: '没有找到，或您无权查看。' } }

const NAMES = ['青石镇中心卫生院', '河东乡卫生院', '大柳镇卫生院', '北岭乡卫生院', '永安镇卫生院', '石桥乡卫生院']
const sites = NAMES.map((name, i) => ({ id: `site-${i}`, code: `T0${i + 1}`, name }))
const townships = sites.map((site, i) => ({
  site, devices: 1 + (i % 4), last_heard_at: i === 5 ? null : ago([3, 0.4, 1510, 12, 47, 0][i]!), queue: [4, 0, 0, 11, 1, 0][i]!,
  oldest_waiting_at: [4, 0, 0, 11, 1, 0][i] ? ago([26, 0, 0, 143, 8, 0][i]!) : null, held: i === 0 ? 2 : 0, refused_today: i === 3 ? 17 : 0, out_of_control: 0, check_late: 0, silent: i === 2 || i === 5,
}))
const devices = ['联影 CT', '万东 DR', '彩超 1 号', '心电图机'].map((name, i) => ({
  id: `dev-${i}`, ae_title: ['DEMO_CT', 'DEMO_DR', 'DEMO_US', 'DEMO_ECG'][i]!, name, modality: ['CT', 'DX', 'US', 'ECG'][i]!, address: i % 2 ? null : `10.20.3.${10 + i}`, enabled: i !== 3, last_heard_at: i === 3 ? null : ago(4 + i * 30),
}))
let work = [
  { id: 'w1', task: 'render_report', about: '5f2c1f0e-7a55-4c1e-9f0f-1e2d3c4b5a69', due_at: ago(-3), attempts: 6, last_error: 'Unavailable: the object store cannot be reached: ConnectionRefusedError', leased_until: null },
  { id: 'w2', task: 'settle_examination', about: '0b1d1c6a-35a0-4c35-8e0e-0d1e2f3a4b5c', due_at: ago(1), attempts: 0, last_error: null, leased_until: ago(-2) },
  { id: 'w3', task: 'seal_audit', about: 'always', due_at: ago(0), attempts: 0, last_error: null, leased_until: null },
]
let quarantine = [{ id: 'q1', reason: 'ValueError: Study Date is not a date', received_at: ago(212), kind: 'dicom.instance', size_bytes: 528_330, site: sites[1] }]

function system(): object {
  return {
    version: '0.1.0', started_at: ago(60 * 31),
    faults: [
      { code: 'township_silent', text: '大柳镇卫生院超过 24 小时没有发来任何内容。', since: ago(1510), where: '大柳镇卫生院', severity: 'amber' },
      { code: 'store_down', text: '对象存储连不上；原件留在接收日志里，恢复后自动归档。', since: ago(17), where: 'http://127.0.0.1:8333', severity: 'red' },
    ],
    listeners: [{ name: 'DICOM 1', address: '0.0.0.0', port: 11112, up: true, associations: 3, accepted: 1204, refused: 17, instances: 48_211 }, { name: 'DICOM 2', address: '0.0.0.0', port: 11112, up: false, associations: 0, accepted: 0, refused: 0, instances: 0 }],
    journal: { segments: 31, bytes: 17_900_000_000, unfiled_bytes: 15_400_000_000, limit_bytes: 21_474_836_480, oldest_unindexed_at: ago(2), unindexed_records: 48, quarantined: quarantine.length },
    drain: { indexed_per_minute: 812.5, filed_per_minute: 0, indexed_at: ago(0.2), filed_at: ago(17) },
    store: { kind: 'S3', up: false, packs: 8123, bytes: 2_310_000_000_000, detail: 'ConnectionRefusedError' },
    database: { kind: 'PostgreSQL', up: true, detail: null },
    sweep: { kind: 'celery', due: 2, oldest_due_at: ago(4), failing: 1 },
  }
}

function device(id: string): Answer {
  const one = devices.find((each) => each.id === id)
  if (!one) return missing
  return ok({
    device: one, last_heard_at: one.last_heard_at, last_object: { sop_instance_uid: '1.2.826.0.1.3680043.8.498.54401662452014863547255413372440461885', at: ago(4) },
    associations: [0, 1, 2, 3, 4].map((i) => ({ opened_at: ago(4 + i * 21), closed_at: i === 0 ? null : ago(3 + i * 21), how: ['', 'released', 'aborted', 'released', 'lost'][i], stored: 40 + i * 13, refused: i === 2 ? 3 : 0 })),
    refusals: [{ at: ago(46), what: 'instance', reason: 'C000', advice: null, sop_instance_uid: '1.2.3.4.5', count: 3 }, { at: ago(180), what: 'association', reason: '1/1/3', advice: null }, { at: ago(400), what: 'instance', reason: 'A700', advice: null }, { at: ago(1600), what: 'association', reason: '2/3/2', advice: null }],
  })
}

const side = (over: Row = {}) => ({ patient_name: '王秀英', patient_id: 'QS20261037', sex: 'F', birth_date: '1962-03-14', accession_number: 'A2611210031', device: 'DEMO_CT', modality: 'CT', body_part: 'CHEST', study_description: '胸部 CT 平扫', study_date: '2026-11-21', study_instance_uid: '1.2.156.112605.14038013508437.20180925051958.2.11880.1', series_description: '平扫 5.0mm', sop_instance_uid: '1.2.156.112605.14038013508437.20180925051958.2.11880.77', rows: 512, columns: 512, ...over })
let held: HeldDetail[] = ['study_of_another_patient', 'same_uid_other_bytes', 'unknown_device'].map((reason, i) => ({
  id: `held-${i}`, reason, reason_text: ['同一检查编号已属于另一位患者', '同一编号的图像已存在，但内容不同', '发送的设备没有登记：CT_ROOM2'][i]!, received_at: ago(35 + i * 200), site: sites[0]!, device: devices[0]!,
  patient: { name: '王秀英', sex: 'F', birth_date: '1962-03-14', age: '64岁', patient_id: 'QS20261037' }, sop_instance_uid: String(side().sop_instance_uid), study_instance_uid: String(side().study_instance_uid), filename: null, alike: [299, 0, 3][i]!, actions: i === 2 ? ['join', 'discard'] : ['keep', 'replace', 'separate', 'discard'],
  incoming: side(), existing: i === 2 ? null : side(i === 0 ? { patient_name: '王秀兰', patient_id: 'QS20261038', birth_date: '1966-03-14' } : {}),
  differences: i === 0 ? [{ field: 'patient_name', incoming: '王秀英', existing: '王秀兰' }, { field: 'patient_id', incoming: 'QS20261037', existing: 'QS20261038' }, { field: 'birth_date', incoming: '1962-03-14', existing: '1966-03-14' }] : [],
}))

const tables: Record<string, { entity: string; key: string; rows: Row[] }> = {
  institutions: { entity: 'institution', key: 'id', rows: [{ id: 'lead-1', code: 'H01', name: '清河县人民医院', kind: 'lead_hospital', lead_id: null, region: '清河县', enabled: true, accept_unknown_devices: false }, ...sites.map((site, i) => ({ ...site, kind: 'township', lead_id: 'lead-1', region: '清河县', enabled: i !== 5, accept_unknown_devices: false }))] },
  centres: { entity: 'centre', key: 'id', rows: ['imaging', 'ecg', 'laboratory', 'pathology'].map((kind, i) => ({ id: `centre-${kind}`, institution_id: 'lead-1', kind, name: ['县影像诊断中心', '县心电诊断中心', '县检验中心', '县病理诊断中心'][i]!, review_required: kind !== 'ecg', enabled: true })) },
  devices: { entity: 'device', key: 'id', rows: devices.map((one, i) => ({ ...one, institution_id: `site-${i}`, character_set: i === 2 ? 'GB18030' : null })) },
  people: { entity: 'person', key: 'id', rows: [{ id: 'p-wang', username: 'reader', name: '王建国', institution_id: 'lead-1', enabled: true, roles: [{ role: 'reader', centre_id: 'centre-imaging' }] }, { id: 'p-li', username: 'reviewer', name: '李敏', institution_id: 'lead-1', enabled: true, roles: [{ role: 'reader', centre_id: 'centre-imaging' }, { role: 'reviewer', centre_id: 'centre-imaging' }] }, { id: 'p-zhao', username: 'radiographer', name: '赵小燕', institution_id: 'site-0', enabled: true, roles: [{ role: 'radiographer', centre_id: null }] }, { id: 'p-old', username: 'zhaoqian', name: '赵倩', institution_id: 'site-1', enabled: false, roles: [] }] },
  agreements: { entity: 'agreement', key: 'id', rows: sites.slice(0, 5).map((site, i) => ({ id: `agr-${i}`, lead_id: 'lead-1', member_id: site.id, kind: i === 3 ? 'imaging' : null, valid_from: '2026-01-01', valid_to: i === 2 ? '2026-12-31' : null })) },
  'recognition/items': { entity: 'recognition_item', key: 'code', rows: ['胸部 CT 平扫', '颅脑 CT 平扫', '胸部 X 线摄影', '产科超声'].map((name, i) => ({ code: `CT-${i}`, name, kind: 'imaging', negative_list: i === 3, valid_days: i === 3 ? null : 30, source: i ? '省卫健委互认项目清单（2025 版）' : '', unconfirmed: i === 0 || i === 3, effective_from: '2026-01-01', effective_to: null })) },
  'recognition/qualifications': { entity: 'qualification', key: 'id', rows: [0, 1, 2].map((i) => ({ id: `q-${i}`, institution_id: 'lead-1', item_code: `CT-${i}`, scope_level: ['national', 'province', 'county'][i]!, scope_label: ['全国', '本省', '清河县'][i]!, result: ['pass', 'pass', 'suspended'][i]!, valid_from: '2026-01-01', valid_to: '2026-12-31', programme: '国家室间质评', unconfirmed: i === 2 })) },
  'recognition/mappings': { entity: 'mapping', key: 'id', rows: ['CHEST', 'HEAD', 'CHEST'].map((part, i) => ({ id: `m-${i}`, kind: 'imaging', modality: i === 2 ? 'DX' : 'CT', body_part: part, procedure_code: '', item_code: `CT-${i}`, priority: 0 })) },
}
const changes: Change[] = []

function administer(method: string, path: string, body: Row): Answer | null {
  const name = Object.keys(tables).find((one) => path === `/${one}` || path.startsWith(`/${one}/`))
  if (!name) return null
  const table = tables[name]!
  if (method === 'GET') return page(table.rows)
  if (Object.values(body).some((value) => value === 'bad')) return { status: 422, body: { type: 'about:blank', title: 'invalid', status: 422, code: 'invalid', detail: '提交的内容不能使用，请检查标出的项目。', errors: Object.keys(body).map((field) => ({ field, message: '已被使用。' })) } }
  const key = decodeURIComponent(path.slice(name.length + 2))
  if (method === 'POST') {
    const row: Row = { id: `new-${Date.now()}`, ...body }
    table.rows.unshift(row)
    note(table.entity, String(row[table.key]), null, row)
    return { status: 201, body: row }
  }
  const row = table.rows.find((one) => String(one[table.key]) === key)
  if (!row) return missing
  const before = Object.fromEntries(Object.keys(body).map((field) => [field, row[field]]))
  Object.assign(row, body)
  if (!('password' in body)) note(table.entity, key, before, body)
  return ok(row)
}

function note(entity: string, id: string, before: Row | null, after: Row | null, undoes: string | null = null): void {
  changes.unshift({ id: `c-${changes.length}`, at: new Date().toISOString(), by: { id: 'p-admin', name: '吴芳' }, entity, entity_id: id, before, after, undoes })
}

function undo(id: string): Answer {
  const change = changes.find((one) => one.id === id)
  const table = Object.values(tables).find((one) => one.entity === change?.entity)
  if (!change || !table) return missing
  if (!change.before) table.rows = table.rows.filter((row) => String(row[table.key]) !== change.entity_id)
  else Object.assign(table.rows.find((row) => String(row[table.key]) === change.entity_id) ?? {}, change.before)
  note(change.entity, change.entity_id, change.after, change.before, change.id)
  return ok({ change_id: 'x' })
}

const ACTIONS = ['signed_in', 'directory_changed', 'images_opened', 'password_set', 'sign_in_failed']
const audit = Array.from({ length: 60 }, (_, i) => ({ id: 900 - i, at: ago(i * 37), action: ACTIONS[i % 5]!, person: i % 5 === 4 ? null : { id: 'p-wang', name: '王建国' }, actor: i % 5 === 4 ? 'root' : 'reader', institution: null, sealed: i > 3, examination_id: i % 5 === 2 ? '0b1d1c6a-35a0-4c35-8e0e-0d1e2f3a4b5c' : null, address: `10.20.3.${i}`, outcome: i % 5 === 4 ? 'failure' : 'success', detail: i % 5 === 1 ? { entity: 'device', id: 'dev-1', before: { name: 'DR' }, after: { name: '万东 DR' } } : {} }))

/** Null: not one of these. */
export function operations(method: string, path: string, query: URLSearchParams, body: Record<string, unknown>): Answer | null {
  const [, area, second, third, fourth] = path.split('/')
  if (path === '/system') return ok(system())
  if (path === '/system/townships') return ok(townships)
  if (path === '/system/devices') return ok(devices)
  if (area === 'system' && second === 'devices') return device(third ?? '')
  if (path === '/system/work') return ok(work.filter((row) => (query.get('state') === 'failing') === !!row.last_error && query.get('state') !== 'done'))
  if (area === 'system' && second === 'work' && fourth === 'retry') { work = work.filter((row) => row.id !== third); return ok({}) }
  if (path === '/system/quarantine') return ok(quarantine)
  if (area === 'system' && second === 'quarantine') { quarantine = []; return ok({}) }
  if (path === '/held') return page(held)
  if (area === 'held' && third === 'resolve') { held = held.filter((one) => one.id !== second); return ok({ resolved: 1, left: 0, examination_id: null }) }
  if (area === 'held') { const one = held.find((each) => each.id === second); return one ? ok(one) : missing }
  if (path === '/changes') return page(changes.filter((one) => (!query.get('entity') || one.entity === query.get('entity')) && (!query.get('id') || one.entity_id === query.get('id'))).slice(0, Number(query.get('limit') ?? 50)))
  if (area === 'changes') return undo(second ?? '')
  if (path === '/audit') return page(audit.filter((one) => !query.get('action') || one.action === query.get('action')))
  if (path === '/audit/verify') return ok({ ok: true, checked: 1893, first_bad: null })
  return administer(method, path, body as Row)
}
