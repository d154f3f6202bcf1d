// Makes the page live: what the server tells replaces the pieces of the page that have changed. Without this script,
// every form and link works all the same.

// Pages that would reload by themselves need not where this runs.
document.cookie = `voice_otp_script=1; path=/try; samesite=strict${location.protocol === 'https:' ? '; secure' : ''}`;
document.documentElement.dataset.script = 'on';

follow(document.querySelector('main[data-live]'));
document.addEventListener('submit', sendOnce);
document.addEventListener('submit', (event) => void sendQuietly(event));
addEventListener('pageshow', allowAgain);
countDown();
setInterval(countDown, 1000);

function follow(main) {
  if (main === null || typeof EventSource === 'undefined') return;
  const source = new EventSource(main.dataset.live);
  source.addEventListener('part', ({ data }) => take(JSON.parse(data)));
  source.addEventListener('over', () => {
    source.close();
    delete main.dataset.live;
  });
}

function take({ id, version, html, into, frame }) {
  const old = document.getElementById(id);
  if (old === null) {
    const place = into === undefined ? null : document.getElementById(into);
    place?.prepend(...parsed(frame));
  } else if (old.dataset.version !== version) {
    replace(old, html);
    old.dataset.version = version;
  }
  countDown();
}

// What somebody typed, opened or stands on stays as it is.
function replace(element, html) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const typed = new Map(all(element, 'input[id]').map((input) => [input.id, input.value]));
  const opened = new Set(all(element, 'details[open]').map((details) => details.id));
  element.replaceChildren(...parsed(html));
  for (const input of all(element, 'input[id]')) input.value = typed.get(input.id) ?? input.value;
  for (const details of all(element, 'details')) details.open = opened.has(details.id);
  if (focused === null) return;
  const same = focused.id === '' ? null : document.getElementById(focused.id);
  const next = same ?? element.querySelector('button, input:not([type=hidden]), a, audio');
  (next ?? document.getElementById('main'))?.focus({ preventScroll: true });
}

function parsed(html) {
  return new DOMParser().parseFromString(html, 'text/html').body.childNodes;
}

function all(element, selector) {
  return Array.from(element.querySelectorAll(selector));
}

// While the answer is on its way, another click would call again, or use up another attempt.
function sendOnce(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || 'quiet' in form.dataset) return;
  if ('sent' in form.dataset) return event.preventDefault();
  form.dataset.sent = '';
  // In case no answer comes.
  setTimeout(allowAgain, 10_000);
}

function allowAgain() {
  for (const form of document.querySelectorAll('form[data-sent]')) delete form.dataset.sent;
}

// Buttons of the lab's phones: the page tells by itself what came of it.
async function sendQuietly(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !('quiet' in form.dataset)) return;
  if (document.querySelector('main[data-live]') === null) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    const answer = await fetch(form.action, { method: 'POST', body, redirect: 'manual' });
    if (answer.type !== 'opaqueredirect') location.reload();
  } catch {
    location.reload();
  }
}

function countDown() {
  for (const time of document.querySelectorAll('time[data-until]')) {
    const left = Math.max(0, Math.ceil((Date.parse(time.dataset.until) - Date.now()) / 1000));
    const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
    if (time.textContent !== text) time.textContent = text;
  }
}
