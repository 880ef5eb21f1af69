import { SCRIPT } from "./status_page_script.ts";
import { STYLE } from "./status_page_style.ts";

/**
 * The status page: one file without foreign assets. It holds no data at all; its script fetches `/status`
 * and puts what it gets into text nodes only, so nothing of it can become markup.
 */
export function renderStatusPage(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>edge-agent</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header>
<div><h1>edge-agent</h1><p id="about">&nbsp;</p></div>
<p id="state" class="pill" role="status">loading</p>
</header>
<p id="lost" class="banner" role="alert" hidden></p>
<main id="modules"></main>
<footer>
<nav><a href="/readyz?verbose">readyz</a><a href="/metrics">metrics</a><a href="/status">status</a></nav>
<p id="updated"></p>
</footer>
<noscript><p class="banner">This page needs JavaScript; <a href="/status">/status</a> has the same as JSON.</p></noscript>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

let policy: Promise<string> | undefined;

/** The Content-Security-Policy under which exactly this page's own style and script run. */
export function statusPagePolicy(): Promise<string> {
  return policy ??= Promise.all([hashOf(STYLE), hashOf(SCRIPT)]).then(([style, script]) =>
    [
      "default-src 'none'",
      `style-src ${style}`,
      `script-src ${script}`,
      "connect-src 'self'",
      "img-src data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ].join("; ")
  );
}

async function hashOf(text: string): Promise<string> {
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  return `'sha256-${btoa(String.fromCharCode(...digest))}'`;
}
