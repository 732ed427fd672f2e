"""The page in a real Chromium, over the real service and real rows."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from places import ROOT
from playwright.sync_api import Browser, Error, Page, Route, expect, sync_playwright
from rebundle import regrouped, targeted
from waiting import until
from written_bundle import FLIPPED, KIND, UNKIND, written

from evenhand.models.bundle import bundle as bundles
from evenhand.service.app import create_app
from evenhand.service.auth.key_file import new_key
from evenhand.service.settings import Settings

ATTRIBUTES = ("any_group", "religion", "race", "gender", "orientation")
HOSTILE = "<img src=x onerror=alert(1)>"
"""A group's name as a table may hold it; the manifest allows it."""
PAGE = ROOT / "service/pages/dashboard.html"
SOON_MS = 600_000
FOCUSABLE = "a[href], select, button:not([hidden] *), summary"


class Site:
    """The service on a real socket, in a thread of its own."""

    def __init__(self, bundle: Path, state: Path, keys_file: Path | None = None) -> None:
        how = Settings(
            bundles=(bundle,), state=state, max_items=256, min_rows=20, keys_file=keys_file, threads=1
        )
        app = create_app(how)
        self._server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="warning"))
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        until(lambda: self._server.started)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def predict(self, *rows: tuple[str, dict[str, str]], label: str | None = None) -> None:
        """Send rows and their labels, the answers' own unless one is named; wait until they are counted."""
        body = {"inputs": [text for text, _ in rows], "groups": [groups for _, groups in rows]}
        answers = httpx.post(f"{self.url}/predict", json=body, timeout=600).json()["predictions"]
        items = [{"id": answer["id"], "label": label or answer["label"]} for answer in answers]
        assert httpx.post(f"{self.url}/feedback", json={"feedback": items}, timeout=600).status_code == 200

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as driver:
        # The pages are our own, and Chromium's sandbox does not run as root.
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def site(altered: Callable[..., Path], tmp_path: Path) -> Iterator[Site]:
    folder = targeted(written(altered(0.5, "apply")), **dict.fromkeys(ATTRIBUTES, "demographic-parity"))
    regrouped(folder, gender=("none", HOSTILE, "multiple", "Men"))
    started = Site(regrouped(folder, race=("none", "African"), religion=("none", "Islam")), tmp_path)
    yield started
    started.stop()


@pytest.fixture
def rows() -> list[tuple[str, dict[str, str]]]:
    """A gap between groups of race, none between those of religion, few rows of gender, no orientation."""
    items = []
    for place in range(120):
        unkind = place % 2 == 1
        race = {"race": "African" if unkind else "none"}
        religion = {"religion": "Islam" if place % 4 < 2 else "none"}
        gender = {"gender": HOSTILE} if place < 6 else {}
        items.append((UNKIND if unkind else KIND, {**race, **religion, **gender}))
    return items


class Visit:
    """A page, and everything that it did and should not have done."""

    def __init__(self, browser: Browser, site: Site, **how: Any) -> None:
        self.context = browser.new_context(**how)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on(
            "console", lambda message: self.errors.append(message.text) if message.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{site.url}/dashboard")
        expect(self.page.locator("article")).to_have_count(len(ATTRIBUTES), timeout=SOON_MS)

    def card(self, attribute: str) -> Any:
        return self.page.get_by_role("article", name=attribute)


def close(visit: Visit, site: Site) -> None:
    """The page may talk to the service it came from and must not complain."""
    assert visit.errors == []
    assert {url.split("/", 3)[2] for url in visit.requests} == {site.url.split("/")[2]}
    visit.context.close()


def test_the_right_groups_are_in_each_state_and_the_page_follows_by_itself(
    browser: Browser, site: Site, rows: list[tuple[str, dict[str, str]]]
) -> None:
    visit = Visit(browser, site)
    page = visit.page
    headline = page.locator(".headline")
    expect(headline.nth(0)).to_have_text("Not enough data to say")
    expect(headline.nth(1)).to_have_text("Not known")
    site.predict(*rows)
    expect(headline.nth(0)).to_have_text("Breach: race", timeout=SOON_MS)
    expect(headline.nth(1)).to_have_text("African")
    expect(page.get_by_role("status")).to_contain_text("Breach: race.")
    for attribute, state in (
        ("race", "breach"),
        ("religion", "no evidence of breach"),
        ("gender", "insufficient data"),
        ("orientation", "insufficient data"),
    ):
        expect(visit.card(attribute).locator("header .state")).to_have_text(state)
    first = visit.card("race").locator(".verdict").first
    expect(first).to_contain_text("demographic parity difference")
    expect(first).to_contain_text(
        "0.0 % of “African” and 100.0 % of “none” get a favourable answer: a gap of 100.0 points"
    )
    expect(first.locator("svg.strip .limit")).to_have_count(1)
    expect(visit.card("orientation")).to_contain_text("No row has a declared group, so nothing can be judged")
    expect(visit.card("gender").locator(".state.calm")).to_have_count(0)
    close(visit, site)


def test_cells_that_lose_stand_beside_the_gain_and_overall_figures_once(browser: Browser, site: Site) -> None:
    site.predict(*[(FLIPPED, {"religion": "Islam"})] * 40, label="hate")
    site.predict(*[(KIND, {"religion": "none"})] * 60)
    visit = Visit(browser, site)
    page, lost = visit.page, "“Islam” with true label “hate”: \N{MINUS SIGN}100.0 points"
    helps = page.locator(".answer").nth(2)
    expect(helps.locator(".headline")).to_have_text("It does harm: religion", timeout=SOON_MS)
    expect(helps.locator(".losers li")).to_contain_text([lost])
    expect(helps).to_contain_text("gap in favourable answers:")
    expect(visit.card("religion").locator(".losers li")).to_contain_text([lost])
    assert page.locator("body").inner_text().count("mended 0, broke 40") == 1
    assert "no harm" not in page.locator("body").inner_text().lower()
    expect(visit.card("race").locator("header .state")).to_have_text("insufficient data")
    close(visit, site)


@pytest.fixture
def careful(altered: Callable[..., Path], tmp_path: Path) -> Iterator[Site]:
    """A site whose bundle gives no decision that is flagged for race and not all but certain."""
    folder = regrouped(written(altered(0.5, "apply")), race=("none", "African"))
    manifest, _ = bundles.read_manifest(folder)
    attributes = [
        each.model_copy(update={"abstain_below": 0.999 if each.name == "race" else None})
        for each in manifest.attributes
    ]
    bundles.write_manifest(folder, manifest.model_copy(update={"attributes": attributes}))
    started = Site(folder, tmp_path / "careful")
    yield started
    started.stop()


def test_decisions_that_were_not_given_are_shown_apart(browser: Browser, careful: Site, site: Site) -> None:
    texts = {"African": "black people deserve the same rights", "none": KIND}
    careful.predict(*[(text, {"race": group}) for group, text in texts.items() for _ in range(30)])
    visit = Visit(browser, careful)
    race = visit.card("race")
    table = race.get_by_role("region", name="decisions that abstained, declared groups")
    expect(table.get_by_role("row", name="African 30 30 100.0 %")).to_be_visible(timeout=SOON_MS)
    expect(table.get_by_role("row", name="none 30 0 0.0 %")).to_be_visible()
    expect(race.locator(".withheld")).to_contain_text(
        "counts in every other figure under the model's own answer"
    )
    expect(race.locator(".verdict", has_text="abstention rate difference").locator(".state")).to_have_count(0)
    expect(visit.page.locator("#what")).to_contain_text("· 30 abstained, 50.0 %")
    expect(visit.card("orientation").get_by_role("row", name="unflagged")).to_contain_text("50.0 %")
    close(visit, careful)
    other = Visit(browser, site)
    assert other.page.locator(".withheld").count() == 0
    assert "abstained" not in other.page.locator("#what").inner_text()
    close(other, site)


def test_the_trend_falls_at_the_mark_and_the_table_has_the_same_figures(
    browser: Browser, site: Site, rows: list[tuple[str, dict[str, str]]]
) -> None:
    visit = Visit(browser, site)
    page = visit.page
    page.get_by_label("Window").select_option("6")
    trend = page.locator("section.trend")
    expect(trend).to_contain_text("No row has a declared group", timeout=SOON_MS)
    site.predict(*rows)
    url = f"{site.url}/models/hate-speech/mode"
    assert httpx.put(url, json={"attribute": "race", "mode": "off"}, timeout=600).status_code == 200
    site.predict(*rows)
    race = trend.locator("section", has=page.get_by_role("heading", name="race"))
    expect(race.locator("svg.course .mark")).to_have_count(1, timeout=SOON_MS)
    expect(race.locator("svg.course")).to_contain_text("1 correction off")
    expect(race.locator("svg.course path.final.line")).to_have_count(1)
    expect(race.get_by_text("Since “correction off”")).to_contain_text("120 rows")
    summary = race.get_by_text("The same as tables")
    summary.focus()
    page.keyboard.press("Enter")
    table = race.get_by_role("region", name="between switches, with 95 % limits, UTC")
    expect(table.get_by_role("row")).to_have_count(3)
    expect(table.get_by_role("row").nth(2)).to_contain_text("correction off")
    expect(race.get_by_role("region", name="marks, UTC")).to_contain_text("correction off")
    religion = trend.locator("section", has=page.get_by_role("heading", name="religion"))
    expect(religion.locator("svg.course .mark")).to_have_count(0)
    page.get_by_label("Window").select_option("24")
    expect(trend).to_contain_text("in parts of hours", timeout=SOON_MS)
    close(visit, site)


def test_a_trend_that_cannot_be_had_leaves_the_other_figures(
    browser: Browser, site: Site, rows: list[tuple[str, dict[str, str]]]
) -> None:
    site.predict(*rows)
    context = browser.new_context()
    page = context.new_page()
    refusal = {"error": {"type": "record_unavailable", "message": "the database is away"}}
    page.route("**/fairness/trend*", lambda route: route.fulfill(status=503, json=refusal))
    page.goto(f"{site.url}/dashboard")
    expect(page.locator("section.trend")).to_have_text(
        re.compile("No trend: the database is away"), timeout=SOON_MS
    )
    expect(page.locator("article")).to_have_count(len(ATTRIBUTES))
    expect(page.get_by_role("alert")).to_be_hidden()
    context.close()


def test_what_is_open_and_focused_stays_so_when_figures_change(
    browser: Browser, site: Site, rows: list[tuple[str, dict[str, str]]]
) -> None:
    site.predict(*rows)
    visit = Visit(browser, site)
    race = visit.card("race")
    expect(race.locator("details")).to_have_count(4, timeout=SOON_MS)
    race.get_by_text("All figures as tables").click()
    expect(race.get_by_role("table").first).to_be_visible()
    race.get_by_label("Rate shown for race").select_option("accuracy")
    race.get_by_label("Rate shown for race").focus()
    before = race.locator(".sub").first.inner_text()
    site.predict(*rows)
    expect(race.locator(".sub").first).not_to_have_text(before, timeout=SOON_MS)
    expect(race.get_by_role("table").first).to_be_visible()
    expect(race.get_by_label("Rate shown for race")).to_be_focused()
    expect(race.get_by_label("Rate shown for race")).to_have_value("accuracy")
    close(visit, site)


def test_a_groups_name_is_text_whatever_it_looks_like(
    browser: Browser, site: Site, rows: list[tuple[str, dict[str, str]]]
) -> None:
    site.predict(*rows)
    visit = Visit(browser, site)
    expect(visit.card("gender")).to_contain_text(HOSTILE, timeout=SOON_MS)
    assert visit.page.locator("img").count() == 0
    close(visit, site)


def test_the_page_says_when_the_service_does_not_answer_or_refuses(browser: Browser, site: Site) -> None:
    visit = Visit(browser, site)
    page = visit.page
    trouble = page.get_by_role("alert")
    expect(trouble).to_be_hidden()
    page.route("**/fairness?*", lambda route: route.abort())
    expect(trouble).to_contain_text("The service does not answer. Figures below are from", timeout=SOON_MS)
    expect(page.locator("#when")).to_have_text("not up to date")
    page.unroute("**/fairness?*")
    expect(trouble).to_be_hidden(timeout=SOON_MS)

    def refuse(route: Route) -> None:
        route.fulfill(
            status=503, json={"error": {"type": "record_unavailable", "message": "the database is away"}}
        )

    page.route("**/fairness?*", refuse)
    expect(trouble).to_contain_text("The service says: the database is away.", timeout=SOON_MS)
    visit.context.close()


def test_the_page_asks_for_a_key_keeps_it_in_the_tab_and_shows_nothing_without(
    browser: Browser, demo: Path, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    weak, strong = new_key(file, "weak", ["predict"], None), new_key(file, "strong", ["audit"], None)
    site = Site(demo, tmp_path / "state", file)
    page = browser.new_context().new_page()
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"{site.url}/dashboard")
    field = page.get_by_label("Key")
    expect(field).to_be_focused(timeout=SOON_MS)
    expect(page.locator("#when")).to_have_text("needs a key")
    assert page.locator("article").count() == 0
    field.fill(weak)
    field.press("Enter")
    expect(page.get_by_text("This key does not hold, or lacks the scope audit")).to_be_visible(
        timeout=SOON_MS
    )
    field.fill(f" {strong}")
    page.get_by_role("button", name="Show figures").click()
    expect(page.locator("article")).to_have_count(len(ATTRIBUTES), timeout=SOON_MS)
    expect(field).to_be_hidden()
    page.reload()
    expect(page.locator("article")).to_have_count(len(ATTRIBUTES), timeout=SOON_MS)
    assert not any(strong in url or weak in url for url in urls)
    file.write_text("")
    expect(field).to_be_visible(timeout=SOON_MS)
    assert page.locator("article").count() == 0
    page.context.close()
    site.stop()


def test_the_window_is_chosen_kept_in_the_address_and_polling_can_be_paused(
    browser: Browser, site: Site
) -> None:
    visit = Visit(browser, site)
    page = visit.page
    page.get_by_label("Window").select_option("168")
    expect(page).to_have_url(re.compile(r"\?model=hate-speech&hours=168$"))
    until(lambda: any("hours=168" in url for url in visit.requests))
    page.reload()
    expect(page.get_by_label("Window")).to_have_value("168")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#when")).to_contain_text("paused")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    close(visit, site)


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen_in_light_or_dark(
    browser: Browser, site: Site, rows: list[tuple[str, dict[str, str]]], width: int
) -> None:
    site.predict(*rows)
    for scheme in ("light", "dark"):
        visit = Visit(browser, site, viewport={"width": width, "height": 780}, color_scheme=scheme)
        expect(visit.card("race").locator("svg.strip").first).to_be_visible(timeout=SOON_MS)
        visit.page.evaluate(
            "document.querySelectorAll('details').forEach((details) => { details.open = true; })"
        )
        expect(visit.page.locator("svg.course").first).to_be_visible(timeout=SOON_MS)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        close(visit, site)


def test_everything_can_be_reached_with_the_keyboard(
    browser: Browser, site: Site, rows: list[tuple[str, dict[str, str]]]
) -> None:
    site.predict(*rows)
    visit = Visit(browser, site)
    page = visit.page
    expect(visit.card("race").locator("svg.strip").first).to_be_visible(timeout=SOON_MS)
    page.get_by_role("button", name="Pause").click()  # so that nothing is drawn anew meanwhile
    page.evaluate("document.activeElement.blur()")
    focusable = page.locator(FOCUSABLE).count()
    reached = set()
    for _ in range(3 * focusable):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(selector) => [...document.querySelectorAll(selector)].indexOf(document.activeElement)",
            FOCUSABLE,
        )
        reached.add(name)
    assert set(range(focusable)) <= reached
    close(visit, site)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_enough_in_light_and_dark() -> None:
    """WCAG 2.2 AA: 4.5 for text, 3 for what a figure needs to be understood."""
    schemes = re.findall(r":root \{([^}]*)\}", PAGE.read_text())
    assert len(schemes) == 2
    for scheme in schemes:
        colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", scheme))

        def ratio(one: str, other: str, colour: dict[str, str] = colour) -> float:
            dark, light = sorted((luminance(colour[one]), luminance(colour[other])))
            return (light + 0.05) / (dark + 0.05)

        for text in ("ink", "soft", "link"):
            for ground in ("paper", "card", "band"):
                assert ratio(text, ground) >= 4.5, (text, ground)
        for state in ("breach", "calm", "open"):
            assert ratio(state, f"{state}-band") >= 4.5, state
            assert ratio("ink", f"{state}-band") >= 4.5, state
        for mark in ("base", "final", "rule", "breach", "calm"):
            assert ratio(mark, "card") >= 3.0, mark


def test_the_checks_of_a_visit_can_fail(browser: Browser, site: Site) -> None:
    visit = Visit(browser, site)
    with pytest.raises(Error):
        visit.page.evaluate("fetch('http://localhost:1/')")  # the policy forbids other hosts
    assert visit.errors
    visit.context.close()
