/** Rules said in words, line by line: what one version has and another has not, without the names of fields. */
export interface Said {
  label: string
  lines: string[]
}

export interface Difference {
  label: string
  gone: string[]
  come: string[]
}

/** What stands under each label; two parts of one label are one. */
function byLabel(said: Said[]): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const one of said) found.set(one.label, [...(found.get(one.label) ?? []), ...one.lines])
  return found
}

const lacking = (lines: string[], other: string[]) => lines.filter((line) => !other.includes(line))
const told = (found: Difference[]) => found.filter((one) => one.gone.length > 0 || one.come.length > 0)

/** Lines that one has and the other has not; alike parts are left out. */
export function differences(before: Said[], after: Said[]): Difference[] {
  const old = byLabel(before)
  const fresh = byLabel(after)
  const labels = new Set([...fresh.keys(), ...old.keys()])
  return told([...labels].map((label) => ({ label, gone: lacking(old.get(label) ?? [], fresh.get(label) ?? []), come: lacking(fresh.get(label) ?? [], old.get(label) ?? []) })))
}

/** What a draft takes back of what the live version changed since the draft was begun. `begun` null: from what is not known. */
export function undone(begun: Said[] | null, live: Said[], draft: Said[]): Difference[] {
  const before = begun ? byLabel(begun) : null
  const found = differences(live, draft).map((one) => ({
    label: one.label,
    gone: before ? lacking(one.gone, before.get(one.label) ?? []) : one.gone,
    come: before ? one.come.filter((line) => before.get(one.label)?.includes(line)) : one.come,
  }))
  return told(found)
}
