// What OHIF's own index.html does in inline scripts, as a file, so that the content security policy needs no 'unsafe-inline'.
window.PUBLIC_URL = '/ohif/'
window.browserImportFunction = (module) => import(module)

// Chinese unless the person chose English in our pages (viewer/src/i18n).
if (localStorage.getItem('gateway.language') !== 'en') {
  localStorage.setItem('i18nextLng', 'zh')
  document.documentElement.lang = 'zh-CN'
} else {
  localStorage.setItem('i18nextLng', 'en-US')
  document.documentElement.lang = 'en'
}
