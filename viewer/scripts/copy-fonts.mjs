// Copies the fonts of the signed PDF to dist/fonts. Static TrueType only: Typst reads no woff, and
// under PDF/A a character without a glyph is an error, so fonts for rare characters go into this list too.
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const target = join(root, 'dist/fonts')

const FONTS = [
  {
    package: '@expo-google-fonts/noto-sans-sc',
    files: ['400Regular/NotoSansSC_400Regular.ttf', '700Bold/NotoSansSC_700Bold.ttf'],
    licence: 'LICENSE_FONT',
  },
  {
    // For rare characters that the first lacks, such as 𠮷.
    package: '@expo-google-fonts/noto-sans-jp',
    files: ['400Regular/NotoSansJP_400Regular.ttf'],
    licence: 'LICENSE_FONT',
  },
]

mkdirSync(target, { recursive: true })
for (const font of FONTS) {
  const from = join(root, 'node_modules', font.package)
  for (const file of font.files) copyFileSync(join(from, file), join(target, basename(file)))
  if (!existsSync(join(from, font.licence))) throw new Error(`${font.package}: ${font.licence} is missing`)
  copyFileSync(join(from, font.licence), join(target, `${basename(font.package)}-LICENSE.txt`))
}
console.log(`fonts → dist/fonts (${FONTS.flatMap((font) => font.files).length} files)`)
