"""What a first visit costs: bytes on the wire, and seconds on a slow line with a slow processor."""

import pytest

pytestmark = pytest.mark.browser

SLOW_4G = {"offline": False, "latency": 562.5, "downloadThroughput": 1474.56 * 128, "uploadThroughput": 675 * 128}
"""Lighthouse's slow 4G as it is applied to a browser: 150 ms and 1.6 Mbit/s at the line, in milliseconds and bytes."""
SLOWER = 4
TRIES = 4
"""A machine that is busy makes a page slower and never faster."""


@pytest.fixture
def line(browser):
    """Open an address in a new, empty browser, with bytes counted; perhaps over a slow line."""
    contexts = []

    def open_line(slow=False, scale=1):
        context = browser.new_context(viewport={"width": 1400, "height": 900}, device_scale_factor=scale)
        contexts.append(context)
        page = context.new_page()
        client = context.new_cdp_session(page)
        client.send("Network.enable")
        sizes = []
        client.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        if slow:
            client.send("Network.emulateNetworkConditions", SLOW_4G)
            client.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        return page, sizes

    yield open_line
    for context in contexts:
        context.close()


def test_a_first_visit_is_light(line, address, chapters):
    """On a screen with two pixels a pixel, which takes the larger pictures; the cache is empty for each page."""
    for name, first, all_in_all in [("book/intro.html", 900, 900), *((name, 1500, 3500) for name in chapters)]:
        page, sizes = line(scale=2)
        page.goto(f"{address}/{name}", wait_until="networkidle")
        assert 100e3 < sum(sizes) <= first * 1000, (name, sum(sizes))
        page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
        page.wait_for_load_state("networkidle")
        page.evaluate("Promise.all([...document.images].map((image) => image.decode().catch(() => 0)))")
        assert sum(sizes) <= all_in_all * 1000, (name, sum(sizes))
        page.close()


def test_the_front_page_is_there_soon_on_a_slow_line(line, address):
    painted, loaded = [], []
    for _ in range(TRIES):
        page, _ = line(slow=True)
        page.goto(f"{address}/book/intro.html", wait_until="load")
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        painted.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        loaded.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
        page.close()
        if painted[-1] <= 2500 and loaded[-1] <= 8000:
            break
    assert 600 < min(painted) <= 2500, painted
    assert min(loaded) <= 8000, loaded


def test_a_chapter_is_painted_soon_on_a_slow_line(line, address, chapters):
    painted = []
    for _ in range(TRIES):
        page, _ = line(slow=True)
        page.goto(f"{address}/{chapters[-1]}", wait_until="commit")
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        painted.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        page.close()
        if painted[-1] <= 2500:
            break
    assert 600 < min(painted) <= 2500, painted
