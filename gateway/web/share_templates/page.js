// What a page does besides, for browsers that can; everything works without it.
(function () {
  var button = document.querySelector('[data-print]')
  if (button && window.print) {
    button.hidden = false
    button.addEventListener('click', function () { window.print() })
  }
  // A page that somebody comes back to by the browser's button is asked for again: the visit may be over.
  window.addEventListener('pageshow', function (event) {
    if (event.persisted) window.location.reload()
  })
})()
