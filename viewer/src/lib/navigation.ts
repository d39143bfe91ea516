/** Where in the navigation a page stands. */

/** The link of a path: its own, or the nearest that it lies under. */
export function pageOf<L extends { path: string }>(links: readonly L[], path: string): L | undefined {
  const fits = links.filter((one) => path === one.path || path.startsWith(`${one.path}/`))
  return fits.sort((a, b) => b.path.length - a.path.length)[0]
}
