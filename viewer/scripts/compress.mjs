// Puts a .gz beside every text file of dist/app and dist/ohif; the gateway sends it to browsers that take it.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const root = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '../dist')
const PACKED = /\.(js|mjs|css|html|svg|json|wasm)$/
const SMALLEST = 1_400 // fits one packet as it is
let before = 0
let after = 0

for (const part of ['app', 'ohif']) {
  const folder = join(root, part)
  if (!existsSync(folder)) throw new Error(`${folder} is not built`)
  for (const name of readdirSync(folder, { recursive: true })) {
    const path = join(folder, name)
    if (!PACKED.test(name)) continue
    const bytes = readFileSync(path)
    rmSync(`${path}.gz`, { force: true })
    if (bytes.length < SMALLEST) continue
    const packed = gzipSync(bytes, { level: 9 })
    writeFileSync(`${path}.gz`, packed)
    before += bytes.length
    after += packed.length
  }
}
console.log(`packed dist/app and dist/ohif: ${(before / 1e6).toFixed(1)} MB → ${(after / 1e6).toFixed(1)} MB`)
