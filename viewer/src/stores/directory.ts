/** The tables of the administration as the server has them, changing them, and taking changes back. */
import { defineStore } from 'pinia'
import { reactive, ref, shallowReactive } from 'vue'
import { api } from '@/api/client'
import type { Change, Row } from '@/api/operations'
import type { Page } from '@/api/types'
import { currentOf, ownChanges } from '@/lib/ownChanges'
import { findRow, inTableOrder, labelOf, tableOf, type EntityName, type References, type Table } from '@/lib/administration'

const PAGE = 500

export const useDirectory = defineStore('directory', () => {
  const tables = shallowReactive(new Map<EntityName, Row[]>())
  const problems = reactive(new Map<EntityName, unknown>())
  /** The last change that this person made here, to show and to take back. */
  const latest = ref<Change | null>(null)

  const references: References = { rows: (entity) => tables.get(entity) ?? [] }

  async function load(entity: EntityName): Promise<void> {
    const table = tableOf(entity)!
    try {
      const rows: Row[] = []
      let cursor: string | null = null
      do {
        const page: Page<Row> = await api.get<Page<Row>>(table.path, { limit: PAGE, cursor })
        rows.push(...page.items)
        cursor = page.next_cursor
      } while (cursor)
      tables.set(entity, inTableOrder(table, rows))
      problems.delete(entity)
    } catch (error) {
      problems.set(entity, error)
    }
  }

  /** What is shown and what its references point to. */
  async function open(table: Table): Promise<void> {
    const needed = new Set<EntityName>([table.entity])
    for (const column of table.columns) if (column.of) needed.add(column.of)
    if (table.entity === 'person') needed.add('centre')
    await Promise.all([...needed].filter((entity) => entity === table.entity || !tables.has(entity)).map(load))
  }

  async function create(table: Table, values: Row): Promise<Row> {
    const row = await api.post<Row>(table.path, values)
    tables.set(table.entity, [row, ...references.rows(table.entity)])
    await remember(table, row)
    return row
  }

  async function change(table: Table, key: string, values: Row): Promise<Row> {
    const had = references.rows(table.entity).find((one) => one[table.key] === key)
    const send = (changes: object, ifMatch?: string) => api.patch<Row>(`${table.path}/${encodeURIComponent(key)}`, changes, { ifMatch })
    try {
      const row = had?.revision ? await ownChanges(had as Row & { revision: string })(values, send as (changes: object, revision: string) => Promise<Row & { revision: string }>) : await send(values)
      put(table, key, row)
      await remember(table, row)
      return row
    } catch (error) {
      const current = currentOf<Row>(error)
      if (current) put(table, key, current) // what somebody else made of it is seen; what comes after that is meant
      throw error
    }
  }

  function put(table: Table, key: string, row: Row): void {
    tables.set(table.entity, references.rows(table.entity).map((one) => (one[table.key] === key ? row : one)))
  }

  async function remember(table: Table, row: Row): Promise<void> {
    latest.value = (await changes({ entity: table.entity, id: String(row[table.key]), limit: 1 })).items[0] ?? null
  }

  const changes = (query: { entity?: string; id?: string; limit?: number; cursor?: string | null }) => api.get<Page<Change>>('/changes', query)

  async function undo(change: Change): Promise<void> {
    await api.post(`/changes/${change.id}/undo`)
    if (latest.value?.id === change.id) latest.value = null
    await load(change.entity as EntityName)
  }

  function nameOf(change: Change): string {
    const entity = change.entity as EntityName
    const table = tableOf(entity)
    if (!table) return change.entity_id
    const row = findRow(references, entity, change.entity_id) ?? change.after ?? change.before
    return row ? labelOf(entity, { ...row, [table.key]: change.entity_id }, references) : change.entity_id
  }

  return { tables, problems, latest, references, load, open, create, change, changes, undo, nameOf }
})
