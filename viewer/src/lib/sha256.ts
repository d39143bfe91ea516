/** SHA-256 of a file in the browser; null where the page is not secure (plain HTTP), and so has no cryptography. */
const subtle = globalThis.crypto?.subtle

export const sha256Of = subtle
  ? async (file: Blob): Promise<string> => {
      const digest = await subtle.digest('SHA-256', await file.arrayBuffer())
      return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
    }
  : null
