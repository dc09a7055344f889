// Copyright: bramble.kube contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// A page, folded and unfolded, at some widths: held against axe, and nothing sticks out at the side. The result is one
// line of JSON.
//
//   PAGE_FILES, PAGE_WIDTHS (both with spaces between), PAGE_PICTURES (where screenshots go),
//   PAGE_SHOWN and BRAMBLE_PICTURES (a page, and where its picture for docs/status.md goes; none without them),
//   BROWSER_CHROMIUM, BROWSER_MODULES (as in tests/support/browser.py)

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const need = createRequire(path.join(process.env.BROWSER_MODULES, "here.js"));
const { chromium } = need("playwright-core");
const axe = fs.readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");
const result = { axe: [], wide: [], looked: 0 };

const browser = await chromium.launch({ executablePath: process.env.BROWSER_CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
for (const file of process.env.PAGE_FILES.split(" "))
  for (const width of process.env.PAGE_WIDTHS.split(" ").map(Number))
    for (const colorScheme of ["light", "dark"]) {
      const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
      await page.goto(`file://${file}`);
      await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = false)));
      const name = `${path.basename(file, ".html")}-${width}-${colorScheme}`;
      await page.screenshot({ path: `${process.env.PAGE_PICTURES}/${name}.png`, fullPage: true });
      await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
      await page.evaluate(axe);
      const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      for (const one of found.violations) result.axe.push({ page: name, rule: one.id, html: one.nodes[0].html.slice(0, 300) });
      const over = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
      if (over > 0) result.wide.push(`${name}: ${over} px`);
      result.looked += 1;
      await page.close();
    }
if (process.env.BRAMBLE_PICTURES) {
  const page = await browser.newPage({ viewport: { width: 1120, height: 800 }, colorScheme: "light" });
  await page.goto(`file://${process.env.PAGE_SHOWN}`);
  const height = await page.evaluate(() => Math.ceil(document.querySelector("main > section table").getBoundingClientRect().bottom) + 12);
  await page.screenshot({ path: `${process.env.BRAMBLE_PICTURES}/status.png`, fullPage: true, clip: { x: 0, y: 0, width: 1120, height } });
}
await browser.close();
console.log(JSON.stringify(result));
