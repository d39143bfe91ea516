/** Of several askings of one thing the answer to the last alone is shown: an earlier one may come later. */

/** Begins an asking; what it gives tells whether no newer one was begun meanwhile. */
export function turns(): () => () => boolean {
  let last = 0
  return () => {
    const mine = ++last
    return () => mine === last
  }
}
