"""`report.html` in a real browser: at three sizes, light and dark, with every control, and without JavaScript."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nas.data import load
from nas.data.synthetic.embedded import write_set
from nas.results.reports import write_reports
from tests.browser import Page, chromium
from tests.results.searched import NAMES, outcome

pytestmark = pytest.mark.slow

EVIL = "<img src=x onerror=alert(1)>"
SIZES = {"phone": (360, 740), "laptop": (1366, 768), "wide": (1920, 1080)}

CONTRAST = """(() => {
  const numbers = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => {
    const linear = (one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length && (colour.length < 4 || colour[3] === 1)) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ["SCRIPT", "title"].includes(element.tagName)) continue;
    if (!element.checkVisibility() || element.closest(".seen")) continue;  // names in pictures have an outline
    const style = getComputedStyle(element);
    const colour = numbers(element instanceof SVGElement ? style.fill : style.color).slice(0, 3);
    const [first, second] = [light(colour), light(behind(element))];
    const ratio = (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) low.push(`${ratio.toFixed(2)} ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return low;
})()"""

WIDER = """(() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > wide + 1)
    .map((one) => `${one.tagName}.${one.getAttribute("class")} ${Math.round(one.getBoundingClientRect().right)}`);
})()"""

UNDECODED = """Promise.all([...document.querySelectorAll("image")].map(async (one) => {
  const picture = new Image();
  picture.src = one.getAttribute("href");
  await picture.decode();
  return picture.naturalWidth === one.width.baseVal.value ? 0 : 1;
})).then((found) => [found.length, found.reduce((sum, one) => sum + one, 0)])"""

DRAWN = """[...document.querySelectorAll(".photo")].filter((one) => {
  const box = one.getBoundingClientRect(), inside = one.querySelector("use").getBoundingClientRect();
  return box.width > 100 && box.height > 50 && Math.abs(box.width - inside.width) < 2
    && document.querySelector(one.querySelector("use").getAttribute("href"));
}).length"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a search on data with names that would be markup."""
    folder = tmp_path_factory.mktemp("searched")
    write_set(folder / "data", {"train": 8, "val": 16}, seed=5)
    data = load(str(folder / "data" / "data.yaml"))
    run = folder / EVIL.replace("/", "")
    run.mkdir()
    found = outcome(run, data, (EVIL, "a-class-with-a-name-that-is-very-long-and-has-no-space", *NAMES[2:]))
    return write_reports(replace(found, command=f"ghostnas search --name '{EVIL}'"), found.known)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_whole_at_every_size(page: Page, report: Path, size: str, dark: bool) -> None:
    page.open(report, *SIZES[size], dark=dark)
    assert page.run(WIDER) == []
    assert page.run(UNDECODED) == [8, 0] and page.run(DRAWN) == 16
    page.run("document.querySelector('#every').click()")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.run(WIDER) == []
    assert page.run(CONTRAST) == []
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.troubles() == []


@pytest.mark.parametrize("size", SIZES)
def test_every_control_works(page: Page, report: Path, size: str) -> None:
    page.open(report, *SIZES[size])
    for name, selector in {
        "show-best": ".dot.role-best",
        "show-front": ".dot.role-front",
        "show-baseline": ".dot.role-baseline",
        "show-other": ".dot.role-other",
        "show-rejected": ".role-rejected",
        "boxes-found": ".seen.found",
        "boxes-missed": ".seen.missed",
        "boxes-invented": ".seen.invented",
    }.items():
        shown = f"getComputedStyle(document.querySelector('{selector}')).display !== 'none'"
        assert page.run(shown), name
        page.click(*page.place(f"#{name}"))
        assert not page.run(shown), name
        page.click(*page.place(f"#{name}"))
        assert page.run(shown), name
    # Pointing at a design shows it, choosing it opens it.
    label = "trial-12"
    dot = f'.dot[aria-label^="{label},"]'
    page.move(*page.place(f"{dot} .mark"))
    tip = page.run("document.querySelector('#tip').hidden ? '' : document.querySelector('#tip').textContent")
    assert tip.startswith(f"{label}\n") and "latency: " in tip and "mAP50-95 after 60 steps" in tip
    assert page.run(WIDER) == []
    page.click(*page.place(f"{dot} .mark"))
    chosen = "[...document.querySelectorAll('.design')].filter((one) => one.checkVisibility())"
    assert page.run(f"{chosen}.map((one) => one.open + one.querySelector('strong').textContent)") == [f"true{label}"]
    page.run("document.querySelector('.dot.role-best').focus()")
    assert not page.run("document.querySelector('#tip').hidden")
    page.run("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))")
    assert page.run(f"{chosen}.map((one) => one.querySelector('strong').textContent)") == ["trial-3"]
    # Curves, copies, the list and the theme.
    page.move(*page.place(".curve.best .mark"))
    assert page.run("document.querySelector('#tip').textContent").startswith("trial-3\n60 steps: ")
    for button in ('[data-copy="command-0"]', ".design.chosen .copy"):
        page.click(*page.place(button))
        page.run("new Promise((resolve) => setTimeout(resolve, 200))")
        assert page.run(f"document.querySelector('{button}').textContent") in ("Copied", "Chosen: press Ctrl-C")
    page.click(*page.place("#every"))
    assert page.run(f"{chosen}.length") == page.run("document.querySelectorAll('.design').length") == 22
    page.click(*page.place("#every"))
    assert page.run(f"{chosen}.length") == 1
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.run(ground)
    page.click(*page.place("#theme"))
    assert page.run(ground) != before
    assert page.run(CONTRAST) == []
    page.click(*page.place("#theme"))
    assert page.run(ground) == before
    assert page.troubles() == []


def test_without_javascript_everything_is_read(page: Page, report: Path) -> None:
    page.open(report, *SIZES["laptop"], script=False)
    assert not page.run("document.documentElement.classList.contains('js')")
    for selector in (".lead", ".commands code", ".design", ".photo", ".ap", ".drawing", "table"):
        shown = page.run(f"[...document.querySelectorAll('{selector}')].map((one) => one.checkVisibility())")
        assert shown and all(shown), selector
    assert page.run(DRAWN) == 16 and page.run(WIDER) == []
    assert not page.run("[...document.querySelectorAll('button')].some((one) => one.checkVisibility())")
    assert page.run("document.querySelectorAll('.dot title').length") == 22
    assert page.troubles() == []
