import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import components from 'unplugin-vue-components/vite'
import { defineConfig } from 'vitest/config'
import { mockGateway } from './dev/mock'

/** `npm run dev` answers from generated data; with GATEWAY set, from that gateway (`GATEWAY=http://127.0.0.1:8080`). */
const gateway = process.env.GATEWAY
const wires = ['/api', '/dicomweb', '/ohif', '/v']

export default defineConfig(({ command }) => ({
  base: '/app/',
  plugins: [
    vue(),
    components({ dts: false, dirs: [], resolvers: [ElementPlusResolver({ importStyle: 'css' })] }),
    ...(command === 'serve' && !gateway ? [mockGateway()] : []),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: { __VUE_I18N_LEGACY_API__: false, __VUE_I18N_FULL_INSTALL__: true },
  build: { outDir: 'dist/app', emptyOutDir: true, target: 'es2022' },
  server: {
    host: '127.0.0.1',
    proxy: gateway ? Object.fromEntries(wires.map((path) => [path, { target: gateway }])) : undefined,
  },
  test: { environment: 'happy-dom' },
}))
