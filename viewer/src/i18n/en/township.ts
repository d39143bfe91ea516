export const township = {}
