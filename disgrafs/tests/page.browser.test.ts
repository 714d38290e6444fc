/**
 * The page in a real headless Chromium, with the real API and a real FalkorDB on loopback, filled from the corpus
 * (disgrafs/tests/stand.py). Needs /usr/bin/chromium (Debian's package chromium) and `./lab setup --for test`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { type Browser, type BrowserContextOptions, type Page } from "playwright-core";

import { devVenv } from "../../cli/setup/python.ts";
import { launchBrowser } from "../../tests/support/browser.ts";
import { checkout } from "../../workshop/checkout.ts";

const deadline = 180_000;
const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

interface Stand {
  readonly address: string;
  readonly token: string;
  readonly files: number;
}

let browser: Browser;
let mount: string;
let server: ChildProcess;
let stand: Stand;

beforeAll(async () => {
  mount = mkdtempSync(join(tmpdir(), "disgrafs-page-"));
  server = spawn(join(devVenv, "bin", "python"), ["-m", "disgrafs.tests.stand", mount], {
    cwd: checkout,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: server.stdout! })[Symbol.asyncIterator]();
  stand = JSON.parse(String((await lines.next()).value)) as Stand;
  browser = await launchBrowser();
}, deadline);

afterAll(async () => {
  await browser.close();
  const ended = new Promise((resolve) => server.once("exit", resolve));
  server.stdin?.end();
  await ended;
  rmSync(mount, { recursive: true });
}, deadline);

interface Opened {
  readonly page: Page;
  /** Console errors and warnings, exceptions, and requests that went elsewhere. */
  readonly faults: string[];
  readonly requests: string[];
}

/** The page before signing in. */
async function open(options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  context.setDefaultTimeout(deadline / 3);
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: stand.address });
  const page = await context.newPage();
  const faults: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("dialog", (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    requests.push(request.url());
    if (!request.url().startsWith(stand.address)) faults.push(`asked ${request.url()}`);
  });
  await page.goto(stand.address);
  await page.waitForSelector("#token:visible");
  return { page, faults, requests };
}

async function signIn(options: BrowserContextOptions = {}): Promise<Opened> {
  const opened = await open(options);
  await opened.page.fill("#token", stand.token);
  await opened.page.press("#token", "Enter");
  await opened.page.waitForSelector("#result-list button");
  return opened;
}

async function search(page: Page, text: string): Promise<void> {
  await page.fill("#query", text);
  await page.press("#query", "Enter");
  await until(
    page,
    `new URLSearchParams(location.hash.slice(1)).get("q") === ${JSON.stringify(text)} &&
      !document.querySelector("#result-list").hasAttribute("aria-busy")`,
  );
}

const names = (page: Page): Promise<string[]> => page.locator("#result-list .name").allInnerTexts();

/** Writes a file into the volume; it is in the graph when the page finds it. */
function put(name: string, content: string | Buffer): string {
  const path = join(mount, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

async function openFile(page: Page, name: string): Promise<void> {
  await page.locator("#result-list button", { hasText: name }).first().click();
  await page.locator("#file h2", { hasText: name }).waitFor();
}

const nodes = async (page: Page): Promise<number> =>
  Number(await page.locator("#canvas").getAttribute("data-nodes"));

const untilNodes = (page: Page, more: number): Promise<void> =>
  until(page, `Number(document.querySelector("#canvas").dataset.nodes) > ${more}`);

/** Waits for an expression to be true. Playwright's own waiting evaluates text in the page, which the page's policy forbids. */
async function until(page: Page, expression: string): Promise<void> {
  while ((await page.evaluate(expression)) !== true) await page.waitForTimeout(50);
}

describe("signing in", () => {
  it(
    "should accept the token only by its form, and keep it out of addresses and storage",
    async () => {
      const { page, faults, requests } = await open();
      await page.fill("#token", "wrong".repeat(10));
      await page.press("#token", "Enter");
      await page.getByText("wrong token").waitFor();
      // Chromium itself reports the refusal.
      expect(faults.splice(0)).toEqual([expect.stringContaining("403")]);
      await page.fill("#token", stand.token);
      await page.press("#token", "Enter");
      await page.waitForSelector("#result-list button");
      expect(requests.filter((each) => each.includes(stand.token))).toEqual([]);
      const kept = await page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, document.documentElement.outerHTML])",
      );
      expect(kept).not.toContain(stand.token);
      expect(await page.locator("#token").inputValue()).toBe("");
      await page.reload();
      await page.waitForSelector("#result-list button");
      await page.click("#sign-out");
      await page.waitForSelector("#token:visible");
      expect(faults).toEqual([]);
    },
    deadline,
  );
});

describe("searching", () => {
  it(
    "should find files by words, narrow them by tags, and give advice if there is none",
    async () => {
      const { page, faults } = await signIn();
      await search(page, "coffee");
      const all = Number.parseInt(await page.locator("#result-count").innerText());
      const chip = page.locator("#narrow button").first();
      const expected = Number(await chip.locator("small").innerText());
      await chip.click();
      await page.getByText(`${expected} file`).waitFor();
      expect(expected).toBeLessThan(all);
      expect(await names(page)).toHaveLength(expected);
      await page.locator("#filters button").click();
      await page.getByText(`${all} files`).waitFor();
      await search(page, "coffee nosuchword");
      await page.getByText("No file matches all of these.").waitFor();
      await page.getByText("Remove a word or a filter.").waitFor();
      expect(faults).toEqual([]);
    },
    deadline,
  );

  it(
    "should be usable by keyboard from the search to the graph",
    async () => {
      const { page, faults } = await signIn();
      await page.locator("body").press("Tab");
      await page.locator("#results").press("/");
      await page.keyboard.type("glac");
      await page.locator("#suggestions li").first().waitFor();
      await page.keyboard.press("ArrowDown");
      expect(await page.locator("#query").getAttribute("aria-activedescendant")).toBe("suggestion-0");
      await page.keyboard.press("Enter");
      await page.locator("#filters .chip", { hasText: "glacier" }).waitFor();
      await page.keyboard.press("Escape");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await page.locator("#file h2").waitFor();
      await untilNodes(page, 3);
      await page.locator("#canvas").focus();
      const before = await nodes(page);
      // The nearest node in some direction, and what is around it.
      for (const key of ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]) {
        await page.keyboard.press(key);
        await page.keyboard.press("Enter");
      }
      await untilNodes(page, before);
      expect(faults).toEqual([]);
    },
    deadline,
  );
});

describe("a file", () => {
  it(
    "should show its text, copy its path and download its bytes",
    async () => {
      const content = "Zebrafish in a tank.\n<b>not bold</b>\n";
      const path = put("notes/zebrafish.txt", content);
      const { page, faults } = await signIn();
      await search(page, "zebrafish");
      await openFile(page, "zebrafish.txt");
      const text = page.locator("#file pre");
      await text.waitFor();
      expect(await text.textContent()).toBe(content);
      await page.click("#file .copy");
      await page.getByText("Path copied").waitFor();
      expect(await page.evaluate("navigator.clipboard.readText()")).toBe(path);
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.locator("#file a", { hasText: "Download" }).click(),
      ]);
      expect(download.suggestedFilename()).toBe("zebrafish.txt");
      expect(readFileSync(await download.path(), "utf8")).toBe(content);
      expect(faults).toEqual([]);
    },
    deadline,
  );

  it(
    "should show a picture",
    async () => {
      const { page, faults } = await signIn();
      await search(page, "tag:picture");
      await page.locator("#result-list button").first().click();
      await until(page, 'document.querySelector("#file img")?.naturalWidth > 0');
      expect(faults).toEqual([]);
    },
    deadline,
  );

  it(
    "should show why it has no tags",
    async () => {
      put("broken picture.jpg", Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]));
      const { page } = await signIn();
      await page.getByText("1 failed").waitFor();
      await search(page, "is:failed");
      await openFile(page, "broken picture.jpg");
      await page.getByText("the picture has no end").waitFor();
      await page.getByText("This picture cannot be shown.").waitFor();
      rmSync(join(mount, "broken picture.jpg"));
    },
    deadline,
  );

  it(
    "should be deleted only after a confirmation",
    async () => {
      const path = put("delete/quagga.txt", "gone soon");
      const { page, faults } = await signIn();
      await search(page, "quagga");
      await page.getByText("1 file").first().waitFor();
      await openFile(page, "quagga.txt");
      await page.click("#file .danger");
      await page.locator("dialog code", { hasText: path }).waitFor();
      await page.keyboard.press("Escape");
      expect(existsSync(path)).toBe(true);
      await page.click("#file .danger");
      await page.locator("dialog button", { hasText: "Delete" }).click();
      await page.getByText(`Deleted ${path}`).waitFor();
      expect(existsSync(path)).toBe(false);
      await until(page, 'document.querySelectorAll("#result-list button").length === 0');
      expect(faults).toEqual([]);
    },
    deadline,
  );

  it(
    "should have any name shown as text",
    async () => {
      const name = '<img src=x onerror=alert(1)> "&quot; \u202egpj.exe';
      put(`hostile/${name}`, "<script>alert(2)</script>");
      const { page, faults } = await signIn();
      await search(page, "onerror");
      const shown = name.replace("\u202e", "⟨202E⟩");
      await page.getByText(shown).first().waitFor();
      await openFile(page, shown);
      await page.locator("#file pre", { hasText: "<script>alert(2)</script>" }).waitFor();
      await untilNodes(page, 1);
      expect(await page.locator("#app img").count()).toBe(0);
      expect(faults).toEqual([]);
    },
    deadline,
  );
});

describe("the graph", () => {
  it(
    "should show a file with its folder, tags and nearest files, and expand a clicked node",
    async () => {
      const { page, faults } = await signIn();
      await search(page, "coffee");
      await page.locator("#result-list button").first().click();
      await untilNodes(page, 3);
      const kinds = await page.evaluate(
        '[...new Set(document.querySelector("#canvas")._cyreg.cy.nodes().map((node) => node.data("kind")))].sort()',
      );
      expect(kinds).toEqual(["file", "folder", "tag"]);
      const before = await nodes(page);
      await page.waitForTimeout(600); // the layout's movement
      const place = await page.evaluate<{ x: number; y: number }>(`(() => {
        const { x, y } = document.querySelector("#canvas")._cyreg.cy.nodes("[kind = 'folder']").first().renderedPosition();
        const { left, top } = document.querySelector("#canvas").getBoundingClientRect();
        return { x: x + left, y: y + top };
      })()`);
      await page.mouse.click(place.x, place.y);
      await untilNodes(page, before);
      expect(faults).toEqual([]);
    },
    deadline,
  );
});

describe("the page", () => {
  it(
    "should show new files without a reload",
    async () => {
      const { page, faults } = await signIn();
      await search(page, "okapi");
      await page.getByText("No file matches all of these.").waitFor();
      const path = put("live/okapi.txt", "new");
      await page.getByText(basename(path)).first().waitFor();
      expect(faults).toEqual([]);
    },
    deadline,
  );

  it(
    "should give advice if the server does not answer, and continue when it does",
    async () => {
      const { page } = await signIn();
      await page.context().setOffline(true);
      await page.fill("#query", "violin");
      await page.getByText("Is ./lab open disgrafs still running?").first().waitFor();
      await page.context().setOffline(false);
      await page.locator("#result-list button[data-inode]").first().waitFor();
    },
    deadline,
  );

  it(
    "should fit a phone: one view at a time, and nothing wider than the screen",
    async () => {
      const { page, faults } = await signIn(phone);
      await page.locator("#result-list button").first().tap();
      await page.locator("#file h2").waitFor();
      expect(await page.locator("#results").isVisible()).toBe(false);
      for (const view of ["graph", "results", "file"]) {
        await page.locator(`nav button[data-view=${view}]`).tap();
        expect(await page.locator(`#${view}`).isVisible()).toBe(true);
        const width = await page.evaluate("document.documentElement.scrollWidth");
        expect(width).toBe(phone.viewport.width);
      }
      expect(faults).toEqual([]);
    },
    deadline,
  );

  it(
    "should be dark or light like the system, and readable in both",
    async () => {
      for (const colorScheme of ["light", "dark"] as const) {
        const { page, faults } = await signIn({ colorScheme });
        const poor = await page.evaluate(contrastBelow(4.5));
        expect(poor).toEqual([]);
        const back = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
        const light = Number(/\d+/.exec(back)?.[0]) > 128;
        expect(light).toBe(colorScheme === "light");
        expect(faults).toEqual([]);
      }
    },
    deadline,
  );
});

/** An expression for the texts of the page whose contrast with what is behind them is below a ratio (WCAG 2). */
function contrastBelow(ratio: number): string {
  return `(() => {
    const channels = (colour) => {
      const canvas = new OffscreenCanvas(1, 1).getContext("2d");
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((each) => {
        const part = each / 255;
        return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
      for (let each = element; each; each = each.parentElement) {
        const colour = channels(getComputedStyle(each).backgroundColor);
        if (colour[3] === 255) return colour;
      }
      return [255, 255, 255, 255];
    };
    return [...document.querySelectorAll("#app *")]
      .filter((element) => element.checkVisibility() && [...element.childNodes].some(
        (node) => node.nodeType === 3 && node.textContent.trim() !== "",
      ))
      .map((element) => {
        const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))];
        return [element.textContent.trim().slice(0, 30), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
      })
      .filter(([, contrast]) => contrast < ${ratio});
  })()`;
}
