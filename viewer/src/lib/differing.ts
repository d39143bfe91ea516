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

/** Lines that one has and the other has not; alike parts are left out. */
export function differences(before: Said[], after: Said[]): Difference[] {
  const found = after.map((one, at) => {
    const was = before[at]?.lines ?? []
    return { label: one.label, gone: was.filter((line) => !one.lines.includes(line)), come: one.lines.filter((line) => !was.includes(line)) }
  })
  return found.filter((one) => one.gone.length > 0 || one.come.length > 0)
}
