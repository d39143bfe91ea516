/** Work that was asked for and may still be under way: asked for again meanwhile, it is the same. */
export function once(work: () => Promise<boolean>) {
  let under: Promise<boolean> | null = null

  /** True when it was done. */
  function start(): Promise<boolean> {
    under ??= work().finally(() => (under = null))
    return under
  }

  return { start, settled: (): Promise<boolean> => under ?? Promise.resolve(true) }
}
