// Copyright: bramble.kube contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// The desk in a real Chromium: by keyboard alone, on a phone, without script, with a colleague looking on, and each page
// held against axe. test_desk_browser.py starts it; the result is one line of JSON.
//
//   DESK_URL, BROWSER_CHROMIUM, BROWSER_MODULES (folder with playwright-core and axe-core), DESK_PICTURES (where screenshots go),
//   BRAMBLE_PICTURES (where the pictures of docs/loop.md go; none without it),
//   DESK_RELEASE, DESK_PHONE, DESK_PLAIN (releases that wait), DESK_OWN (one with a template; no such page without it),
//   DESK_PASSWORDS (JSON, name to password), DESK_TAPS (who reviews on the phone), DESK_STEPS (JSON, names of the steps
//   to do; all without it)

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const { DESK_URL: url, DESK_PICTURES: pictures, DESK_RELEASE, DESK_PHONE, DESK_PLAIN, DESK_OWN } = process.env;
const need = createRequire(path.join(process.env.BROWSER_MODULES, "here.js"));
const { chromium } = need("playwright-core");
const axe = fs.readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");
const result = { done: [], axe: [], wide: [], heard: [], errors: [], looked: 0 };
const PATIENCE = 60000;
const passwords = JSON.parse(process.env.DESK_PASSWORDS ?? "{}");
const steps = JSON.parse(process.env.DESK_STEPS ?? "null");
const word = (name) => passwords[name] ?? `${name} opens the door`;

const browser = await chromium.launch({ executablePath: process.env.BROWSER_CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });

const open = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", timezoneId: "UTC", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => result.errors.push(`${page.url()}: ${error.message}`));
  page.on("console", (line) => {
    if (line.type() === "error" && !/status of (40\d|422)/.test(line.text())) result.errors.push(`${page.url()}: ${line.text()}`);
  });
  return page;
};
const login = async (page, name) => {
  await page.goto(`${url}/login`);
  await page.fill("#name", name);
  await page.fill("#password", word(name));
  await page.press("#password", "Enter");
  await page.waitForURL(`${url}/`);
};
// What a screen reader is given: Chromium's own accessibility tree.
const heard = async (page) => {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  return nodes.filter((node) => !node.ignored).map((node) => ({
    role: node.role?.value, name: (node.name?.value ?? "").replace(/\s+/g, " ").trim(),
    ...Object.fromEntries((node.properties ?? []).map((one) => [one.name, one.value.value])),
  }));
};
const CONTROLS = ["button", "link", "textbox", "combobox", "listbox", "checkbox", "radio", "spinbutton", "searchbox", "DisclosureTriangle"];
const listen = async (page, name, language) => {
  const tree = await heard(page);
  for (const one of tree) if (CONTROLS.includes(one.role) && !one.name) result.heard.push(`${name}: a ${one.role} without a name`);
  const levels = tree.filter((one) => one.role === "heading").map((one) => one.level);
  if (levels.filter((level) => level === 1).length !== 1) result.heard.push(`${name}: headings ${levels}`);
  if (levels.some((level, place) => level > (levels[place - 1] ?? 0) + 1)) result.heard.push(`${name}: headings ${levels}`);
  const said = await page.evaluate(() => [document.documentElement.lang, document.getElementById("announce").ariaLive]);
  if (`${said}` !== `${language},polite`) result.heard.push(`${name}: ${said}`);
};
// Look at a page: a picture of it, axe, and nothing that sticks out at the side.
const look = async (page, name) => {
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true, timeout: PATIENCE * 3 });
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  for (const one of found.violations) result.axe.push({ page: name, rule: one.id, html: one.nodes[0].html.slice(0, 300) });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) result.wide.push(`${name}: ${over} px`);
  result.looked += 1;
};
const step = async (name, work) => {
  if (steps && !steps.includes(name)) return;
  try {
    await work();
    result.done.push(name);
  } catch (error) {
    result.errors.push(`${name}: ${error.message.split("\n").slice(0, 4).join(" ")}`);
  }
};
// Tab until something with this text, or of this kind, has the focus.
const reach = async (page, text) => {
  for (let press = 0; press < 150; press += 1) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate(() => `${document.activeElement.id} ${document.activeElement.textContent} ${document.activeElement.value ?? ""}`);
    if (here.includes(text)) return;
  }
  throw new Error(`the keyboard does not reach ${text}`);
};

await step("a decision by keyboard alone, which a colleague sees without reloading", async () => {
  const colleague = await open();
  await login(colleague, "cleo");
  await colleague.goto(`${url}/releases/${DESK_RELEASE}`);
  const page = await open();
  await page.goto(`${url}/login`);
  await page.keyboard.type("ben");
  await page.keyboard.press("Tab");
  await page.keyboard.type(word("ben"));
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/`);
  await reach(page, DESK_RELEASE);
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:has-text('" + DESK_RELEASE + "')");
  await reach(page, "Review twenty cases");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#judge");
  await page.keyboard.press("l");
  if ((await page.evaluate(() => document.activeElement.id)) !== "label") throw new Error("L does not lead to the label");
  await page.keyboard.press("8");
  await page.keyboard.press("Escape");
  await page.keyboard.press("c");
  await page.keyboard.type("abs");
  await page.fill("#case-talk textarea", "");
  await page.keyboard.press("Escape");
  for (let place = 1; place <= 20; place += 1) {
    await page.waitForFunction((text) => document.querySelector("h1").textContent === text, `Case ${place} of 20`);
    const two = await page.$("button[data-key=b]");
    await page.keyboard.press(two ? (place % 3 ? "a" : "s") : "y");
  }
  await page.waitForSelector("h1:has-text('Your review')");
  if ((await page.evaluate(() => document.activeElement.tagName)) !== "H1") throw new Error("the focus is not on the new heading");
  await reach(page, "note");
  await page.keyboard.type("By keyboard alone.");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Your review was submitted");
  await reach(page, "Approve or refuse");
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:has-text('Decide about')");
  await reach(page, "approved");
  await page.keyboard.press("Space");
  await reach(page, "reason");
  await page.keyboard.type("Twenty cases by keyboard: fine.");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Your decision is recorded");
  const focused = (await heard(page)).find((one) => one.focused && one.role !== "RootWebArea");
  if (focused?.role !== "status") throw new Error(`after a decision the focus is on ${JSON.stringify(focused)}`);
  await colleague.waitForSelector("#decision:has-text('Twenty cases by keyboard')", { timeout: 20000 });
  const said = await colleague.textContent("#announce");
  if (!said.includes(`ben has approved ${DESK_RELEASE}`)) throw new Error(`the colleague is told: ${said}`);
  await page.context().close();
  await colleague.context().close();
});

await step("a case as a screen reader is told of it", async () => {
  const page = await open();
  await login(page, "cleo");
  let place = 0; // of the first case with two answers
  do await page.goto(`${url}/releases/${DESK_PHONE}/review/${(place += 1)}`); while (!(await page.$("button[data-key=b]")));
  const tree = await heard(page);
  const must = (role, name, more = {}) => {
    const found = tree.some((one) => one.role === role && name.test(one.name) && Object.entries(more).every(([key, value]) => one[key] === value));
    if (!found) throw new Error(`no ${role} ${name} ${JSON.stringify(more)} among ${JSON.stringify(tree.filter((one) => one.role === role))}`);
  };
  must("heading", new RegExp(`^Case ${place} of 20$`), { level: 1 });
  must("progressbar", /0 of 20/);
  must("image", /^Picture of case /);
  must("group", /better/i);
  must("button", /^Answer A .+ This is better$/, { keyshortcuts: "a", pressed: "false" });
  must("button", /^Answer B .+ This is better$/, { keyshortcuts: "b", pressed: "false" });
  must("button", /better/, { keyshortcuts: "s" });
  must("button", /can.t tell/, { keyshortcuts: "u" });
  must("navigation", /./);
  await page.keyboard.press("l");
  const field = (await heard(page)).find((one) => one.role === "combobox" && one.focused);
  if (!/really/.test(field?.name ?? "")) throw new Error(`L leads to ${JSON.stringify(field)}`);
  await page.context().close();
});

await step("what somebody is writing is not taken away by a change", async () => {
  const [writer, other] = [await open(), await open()];
  await login(writer, "cleo");
  await login(other, "dan");
  await writer.goto(`${url}/releases/${DESK_PHONE}`);
  await writer.fill("#say-release", "half a sentence");
  await other.goto(`${url}/releases/${DESK_PHONE}`);
  await other.fill("#say-release", "from dan");
  await other.press("#say-release", "Tab");
  await other.keyboard.press("Enter");
  await writer.waitForSelector("#said-release:has-text('from dan')", { timeout: 20000 });
  if ((await writer.inputValue("#say-release")) !== "half a sentence") throw new Error("it is gone");
  await writer.context().close();
  await other.context().close();
});

await step("a review by taps on a phone", async () => {
  const page = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await login(page, process.env.DESK_TAPS ?? "ben");
  await page.goto(`${url}/releases/${DESK_PHONE}`);
  await page.tap("text=Review twenty cases");
  for (let place = 1; place <= 20; place += 1) {
    await page.waitForFunction((text) => document.querySelector("h1").textContent === text, `Case ${place} of 20`);
    const box = await page.locator("#judge .choices button").first().boundingBox();
    if (box.height < 44) throw new Error("a button is too small for a thumb");
    const rest = await page.locator("#judge .choices button").last().boundingBox();
    if (place === 1 && rest.y + rest.height > 844) throw new Error("a button lies below the screen");
    await page.locator("#judge .choices button").first().tap();
  }
  await page.waitForSelector("h1:has-text('Your review')");
  await page.tap("text=Submit my review");
  await page.waitForSelector("text=Your review was submitted");
  await page.context().close();
});

await step("everything without script", async () => {
  const page = await open({ javaScriptEnabled: false });
  await login(page, "cleo");
  await page.goto(`${url}/releases/${DESK_PLAIN}/review/1`);
  await page.click("button[value=unknown].choice");
  await page.waitForSelector("h1:has-text('Case 2 of 20')");
  await page.goto(`${url}/releases/${DESK_PLAIN}`);
  await page.fill("#say-release", "without any script");
  await page.click("text=Send");
  await page.waitForSelector("li:has-text('without any script')");
  await page.goto(`${url}/releases/${DESK_PLAIN}/decide`);
  await page.check("[value=refused]");
  await page.fill("#reason", "Refused without any script.");
  await page.click("text=Record my decision");
  await page.waitForSelector("text=Your decision is recorded");
  await page.context().close();
});

await step("single keys can be switched off", async () => {
  const page = await open();
  await login(page, "dan");
  await page.goto(`${url}/me`);
  await page.uncheck("[name=keys]");
  await page.click("text=Save");
  await page.goto(`${url}/releases/${DESK_PHONE}/review/1`);
  await page.keyboard.press("u");
  await page.waitForTimeout(700);
  if (!(await page.textContent("h1")).includes("Case 1")) throw new Error("a key still judges");
  await page.context().close();
});

await step("what a trainer sees, and what comes of a mistake", async () => {
  const page = await open({ bypassCSP: true });
  await page.goto(`${url}/login`);
  await page.fill("#name", "vic");
  await page.fill("#password", "not this one");
  await page.press("#password", "Enter");
  await page.waitForSelector("#wrong");
  await look(page, "login-wrong");
  await login(page, "ada");
  await page.goto(`${url}/models/digits`);
  await page.waitForSelector("#refused:has-text('Refused without any script.')");
  await look(page, "model-trainer");
  await listen(page, "model-trainer", "en");
  await page.goto(`${url}/models/digits`);
  await reach(page, "reason");
  await page.keyboard.type("Asked for by keyboard.");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Asked for by keyboard.");
  const ben = await open({ bypassCSP: true });
  await login(ben, "ben");
  await ben.goto(`${url}/releases/${DESK_PHONE}/decide`);
  await ben.evaluate(() => { document.getElementById("reason").form.noValidate = true; });
  await ben.click("text=Record my decision");
  await ben.waitForSelector("[role=alert]");
  await look(ben, "decide-mistake");
  await page.context().close();
  await ben.context().close();
});

const places = {
  list: "/", model: "/models/digits", release: `/releases/${DESK_PHONE}`, examples: `/releases/${DESK_PHONE}?examples=open`,
  decided: `/releases/${DESK_RELEASE}`, review: `/releases/${DESK_PHONE}/review/2`, own: `/releases/${DESK_OWN}/review/1`,
  end: `/releases/${DESK_PHONE}/review/end`, decide: `/releases/${DESK_PHONE}/decide`, record: "/record", settings: "/me",
  missing: "/nowhere",
};
if (!DESK_OWN) delete places.own;
for (const [language, locale] of [["en", "en-GB"], ["ja", "ja-JP"]]) {
  for (const width of [1280, 390]) {
    for (const colorScheme of width === 390 ? ["dark"] : ["light", "dark"]) {
      await step(`all pages: ${language}, ${width} px, ${colorScheme}`, async () => {
        const page = await open({ viewport: { width, height: 844 }, locale, colorScheme, bypassCSP: true });
        await page.goto(`${url}/login`);
        await look(page, `login-${language}-${width}-${colorScheme}`);
        await login(page, "ben");
        for (const [name, place] of Object.entries(places)) {
          await page.goto(url + place);
          await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
          await look(page, `${name}-${language}-${width}-${colorScheme}`);
          await listen(page, `${name}-${language}`, language);
        }
        await page.context().close();
      });
    }
  }
}
// The pictures of docs/loop.md.
if (process.env.BRAMBLE_PICTURES) {
  const page = await open({ viewport: { width: 860, height: 620 } });
  await login(page, "cleo");
  const shown = {
    "loop-list": "/",
    "loop-review": `/releases/${DESK_PHONE}/review/3`,
    "loop-decide": `/releases/${DESK_PHONE}/decide`,
    "loop-own": `/releases/${DESK_OWN}/review/1`,
  };
  for (const [name, place] of Object.entries(shown)) {
    await page.goto(url + place);
    const bottom = await page.evaluate(() => document.querySelector("main").getBoundingClientRect().bottom);
    const height = Math.min(bottom - 40, 860);
    const file = `${process.env.BRAMBLE_PICTURES}/${name}.png`;
    await page.screenshot({ path: file, fullPage: true, clip: { x: 0, y: 0, width: 860, height } });
  }
  await page.context().close();
}
await browser.close();
console.log(JSON.stringify(result));
