// Copyright: bramble.kube contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// Somebody logs in to JupyterHub, opens the notebook, and runs the first cell. The result is one line of JSON.
//
//   HUB_URL, HUB_NAME, HUB_PASSWORD, BRAMBLE_PICTURES (where the picture of docs/first-model.md goes; none without it),
//   BROWSER_CHROMIUM, BROWSER_MODULES (as in tests/support/browser.py)

import { createRequire } from "node:module";
import path from "node:path";

const { HUB_URL, HUB_NAME, HUB_PASSWORD, BRAMBLE_PICTURES: pictures } = process.env;
const need = createRequire(path.join(process.env.BROWSER_MODULES, "here.js"));
const { chromium } = need("playwright-core");

const browser = await chromium.launch({ executablePath: process.env.BROWSER_CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage({ viewport: { width: 1248, height: 780 } });
page.setDefaultTimeout(180000);
await page.goto(`${HUB_URL}/hub/login`);
await page.fill("#username_input", HUB_NAME);
await page.fill("#password_input", HUB_PASSWORD);
await page.press("#password_input", "Enter");
await page.dblclick(".jp-DirListing-item >> text=first-model.ipynb");
await page.waitForSelector(".jp-Notebook-ExecutionIndicator[data-status=idle]");
const first = page.locator(".jp-Notebook .jp-CodeCell").first();
await first.locator(".cm-content").click();
await page.keyboard.press("Shift+Enter");
const output = first.locator(".jp-OutputArea-output");
await output.waitFor();
if (pictures) {
  await page.click(".jp-toast-button:has-text('No')", { timeout: 5000 }).catch(() => {}); // to news about Jupyter
  await page.locator(".jp-Notebook .jp-Cell").first().scrollIntoViewIfNeeded();
  await page.waitForTimeout(1000);
  await page.screenshot({ path: `${pictures}/notebook.png` });
}
console.log(JSON.stringify({ printed: (await output.textContent()).trim() }));
await browser.close();
