import type { Html, Value } from './html.ts';
import { html } from './html.ts';

/** What every page is made with. */
export interface Surface {
  /** Addresses of the files that it loads, with their hashes in them. */
  readonly files: { readonly style: string; readonly script: string; readonly icon: string };
  readonly isLab: boolean;
}

export interface Sheet {
  readonly title: string;
  readonly main: Html;
  /** Address of the stream that tells its changes. */
  readonly live?: string | undefined;
  /** Seconds after which a browser without script asks again. */
  readonly refresh?: number | undefined;
  readonly isWide?: boolean | undefined;
}

/** A whole document. */
export function sheet({ files, isLab }: Surface, { title, main, live, refresh, isWide }: Sheet): string {
  const attributes: Value = [
    live === undefined ? '' : html` data-live="${live}"`,
    isWide === true ? html` class="wide"` : '',
  ];
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title} · voice-otp</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
${refresh === undefined ? '' : html`<meta http-equiv="refresh" content="${refresh}">`}
<link rel="icon" href="${files.icon}" type="image/svg+xml">
<link rel="stylesheet" href="${files.style}">
<script src="${files.script}" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="bar"><div class="bar-inner">
<a class="brand" href="/try"><img src="${files.icon}" alt="" width="26" height="26">voice-otp</a>${isLab ? html`<span class="badge" title="Nothing leaves this machine">Lab</span>` : ''}
<nav aria-label="Pages"><a href="/try">Verify</a>${isLab ? html`<a href="/try/lab">Phones</a>` : ''}<a href="/docs">API</a></nav>
</div></header>
<main id="main" tabindex="-1"${attributes}>
${main}
</main>
</body>
</html>
`.text;
}

/** A page that says only what went wrong. */
export function errorSheet(surface: Surface, status: number, message: string): string {
  return sheet(surface, {
    title: 'Not possible',
    main: html`<section class="card"><h1>${status === 404 ? 'Not here' : 'That was not possible'}</h1>
<p class="lead">${message}</p>
<p><a class="button" href="/try">Back to the start</a></p></section>`,
  });
}
