#!/usr/bin/env bash
# axe-core in jsdom finds no fault with a page that has no main part, no heading, and the same id twice.
#
# With: axe-core 4.14.1, jsdom 26.1.0 (npm); axe-core's page on jsdom names colour contrast as what does not work there.
#
# Guess: only rules on looks need a browser. A page without <main> and <h1> gives landmark-one-main and
# page-has-heading-one as violations, and two elements with one id give duplicate-id.
#
# Behaviour: both rules end with an error inside axe, which puts them under "incomplete", with and without a main part
# and a heading alike; a test that asks for no violations can never fail on them. There is no rule on ids any more
# unless a label or an ARIA attribute refers to them, so a page passes in which a link to #pi reaches the wrong one.
#
# Seen:
#   main and h1: violations none; incomplete landmark-one-main, page-has-heading-one
#   neither: violations none; incomplete landmark-one-main, page-has-heading-one
#   two mains: violations landmark-no-duplicate-main, landmark-unique; incomplete landmark-one-main, page-has-heading-one
#   same id twice: violations none; incomplete landmark-one-main, page-has-heading-one
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --no-save axe-core@4.14.1 jsdom@26.1.0
cat >show.mjs <<'JAVASCRIPT'
import axe from "axe-core";
import { JSDOM, VirtualConsole } from "jsdom";

const head = '<!doctype html><html lang="en"><head><title>Pis</title></head>';
for (const [name, body] of Object.entries({
  "main and h1": "<main><h1>Pis</h1></main>",
  "neither": '<div role="banner">Pis</div>',
  "two mains": "<main><h1>Pis</h1></main><main><h2>More</h2></main>",
  "same id twice": '<main><h1>Pis</h1><p id="pi">a</p><p id="pi">b</p></main>',
})) {
  const { window } = new JSDOM(`${head}<body>${body}</body></html>`, {
    runScripts: "outside-only",
    virtualConsole: new VirtualConsole(), // jsdom says there what it cannot do
  });
  window.eval(axe.source);
  const found = await window.axe.run(window.document, { rules: { "color-contrast": { enabled: false } } });
  const ids = (rules) => rules.map((rule) => rule.id).join(", ") || "none";
  console.log(`${name}: violations ${ids(found.violations)}; incomplete ${ids(found.incomplete)}`);
}
JAVASCRIPT
seen=$(node show.mjs)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
main and h1: violations none; incomplete landmark-one-main, page-has-heading-one
neither: violations none; incomplete landmark-one-main, page-has-heading-one
two mains: violations landmark-no-duplicate-main, landmark-unique; incomplete landmark-one-main, page-has-heading-one
same id twice: violations none; incomplete landmark-one-main, page-has-heading-one
EXPECTED
