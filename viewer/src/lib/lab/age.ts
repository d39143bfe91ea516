/** Ages as people write them in ranges: 28d, 6m, 1y; days inside. The same lengths as the server's tables. */
const DAYS = { y: 365.25, m: 30.4375, d: 1 } as const

export function writeAge(days: number | null): string {
  if (days === null) return ''
  for (const unit of ['y', 'm'] as const) {
    const count = Math.round(days / DAYS[unit])
    if (count && Math.floor(count * DAYS[unit]) === days) return `${count}${unit}`
  }
  return `${days}d`
}

/** Null: nothing written; undefined: it cannot be read. */
export function readAge(text: string): number | null | undefined {
  const plain = text.trim().toLowerCase()
  if (!plain) return null
  const found = /^(\d{1,5})\s*([ymd])$/.exec(plain)
  return found ? Math.floor(Number(found[1]) * DAYS[found[2] as keyof typeof DAYS]) : undefined
}
