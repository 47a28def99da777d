"""What people meet: quick, readable without a script, by keyboard, by screen reader, on a phone, and live."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, expect

from synthetics.model.run import Outcome
from synthetics.store.engine import Database
from tests.browser.conftest import SEEN_WITHIN
from tests.support.runs import a_run, record, tick

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
PHONE = ViewportSize(width=390, height=844)
_SEEN_WITHIN_MS = SEEN_WITHIN.total_seconds() * 1000
_GRAVE = {"serious", "critical"}

#: What was transferred for the page and everything on it, and when something was first to be seen.
_LOADED = """() => {
  const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  const paint = performance.getEntriesByType('paint').find(one => one.name === 'first-contentful-paint');
  return paint && {bytes: all.reduce((sum, one) => sum + one.transferSize, 0), paint: paint.startTime};
}"""


async def opened(page: Page, url: str) -> None:
    """The page with everything on it unfolded."""
    await page.goto(url)
    await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_screen_readers_and_weak_eyes_find_their_way(
    browser: Browser, site: str, places: dict[str, str], scheme: Any
) -> None:
    context = await browser.new_context(color_scheme=scheme)
    page = await context.new_page()
    found = {}
    for name, path in places.items():
        await opened(page, site + path)
        ARTEFACTS.mkdir(exist_ok=True)
        await page.screenshot(path=ARTEFACTS / f"{name}-{scheme}.png", full_page=True)
        checked = await Axe().run(page)
        grave = [one for one in checked.response["violations"] if one["impact"] in _GRAVE]
        found[name] = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in grave]
    assert found == {name: [] for name in places}


async def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Browser, site: str, places: dict[str, str]
) -> None:
    context = await browser.new_context(viewport=PHONE)
    page = await context.new_page()
    widths = {}
    for name, path in places.items():
        await opened(page, site + path)
        await page.screenshot(path=ARTEFACTS / f"{name}-phone.png", full_page=True)
        widths[name] = await page.evaluate("document.documentElement.scrollWidth")
    assert widths == dict.fromkeys(places, PHONE["width"])


async def test_without_a_script_everything_can_be_read(
    browser: Browser, site: str, places: dict[str, str]
) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    for name, path in places.items():
        await page.goto(site + path)
        assert len(await page.locator("main").inner_text()) > 40, name
    await page.goto(site)
    await page.get_by_role("link", name="open document", exact=True).click()
    await expect(page).to_have_url(f"{site}/probes/open_document")


async def test_what_happens_is_shown_at_once_and_nothing_is_lost(
    browser: Browser, site: str, shown: Database
) -> None:
    page = await browser.new_page()
    complaints = listened(page)
    async with page.expect_response(lambda answer: answer.url.endswith("/events")):
        await page.goto(site)
    await page.evaluate("window.stayed = true")
    article = page.locator("article", has_text="print document")
    await expect(article.locator(".chip").first).to_have_text("unknown")
    link = article.get_by_role("link", name="print document")
    await link.focus()

    await record(shown, a_run(tick(0, name="print_document"), Outcome.PASSED, name="print_document"))

    await expect(article.locator(".chip").first).to_have_text("up", timeout=_SEEN_WITHIN_MS)
    assert await page.evaluate("window.stayed") is True, "the page was not loaded again"
    await expect(link).to_be_focused()
    assert complaints == []


async def test_the_overview_is_there_in_a_second_and_is_small(browser: Browser, site: str) -> None:
    loads = []
    for _ in range(5):  # the best of them: what else the machine does meanwhile is not the page's
        page = await (await browser.new_context()).new_page()
        await page.goto(site, wait_until="load")
        loads.append(await (await page.wait_for_function(_LOADED)).json_value())
    assert min(load["paint"] for load in loads) < 1000
    assert max(load["bytes"] for load in loads) < 150_000


async def test_by_keyboard_one_gets_from_the_overview_to_a_run(browser: Browser, site: str) -> None:
    page = await browser.new_page()
    await page.goto(site)
    for _ in range(40):
        await page.keyboard.press("Tab")
        where = await page.evaluate("document.activeElement.getAttribute('href') || ''")
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"where one is must be seen: {where}"
        if where.startswith("/runs/"):
            await page.keyboard.press("Enter")
            await expect(page).to_have_url(f"{site}{where}")
            return
    raise AssertionError("no run within forty steps")


def listened(page: Page) -> list[str]:
    """What the browser complains of from now on: errors of scripts, and what the policy forbids."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    return complaints
