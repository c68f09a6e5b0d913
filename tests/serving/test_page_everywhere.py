"""What holds for the page of every task: nothing from elsewhere, no error, any size, any theme, any frame, no mouse."""

import pytest
from flask import Flask

from pages import ask_example, build_app, wait_for_result
from ratsnlp.nlpbook.serving.app import serve

pytestmark = pytest.mark.browser

TASKS = ("classification", "paircls", "qa")


@pytest.fixture(params=TASKS)
def task(request):
    return request.param


def show_everything(page):
    """Ask, and open whatever can be opened."""
    ask_example(page)
    if page.query_selector("#ask-why"):
        page.click("#ask-why")
        page.wait_for_selector("#why:visible")
    page.click("[data-copy=python]")
    page.click("#file summary")
    table = {"name": "a.csv", "mimeType": "text/csv", "buffer": "첫째,둘째\n하나 둘,셋 넷\n다섯,\n".encode()}
    page.set_input_files("#file-input", table)
    page.click("#file-start")
    page.wait_for_selector("#file-save:visible")
    page.wait_for_timeout(500)  # until bars have grown: their colours are looked at


def test_a_page_asks_no_other_host_and_logs_no_error(open_page, task):
    page = open_page(build_app(task))
    show_everything(page)
    page.wait_for_load_state("networkidle")
    assert page.errors == []
    known = [address.startswith((page.server.url + "/", "blob:")) for address in page.addresses]
    assert all(known), page.addresses
    assert len(known) > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, task, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = open_page(build_app(task), color_scheme=scheme, reduced_motion="reduce")
    assert axe.Axe().run(page).response["violations"] == []
    show_everything(page)
    violations = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["impact"], [node["html"] for node in one["nodes"]]) for one in violations] == []


def test_a_phone_of_360_pixels_scrolls_down_only(open_page, task):
    page = open_page(build_app(task), viewport=(360, 740))
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for field in page.query_selector_all("[data-field]"):
        field.fill("띄어쓰기없이" * 40 + " 끝말")
    page.click("#ask")
    wait_for_result(page)
    show_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_page_works_below_the_prefix_of_a_proxy(open_page, task):
    page = open_page(build_app(task), "/healthz")
    page.route("**/proxy/5000/**", lambda route: route.continue_(url=route.request.url.replace("/proxy/5000", "")))
    page.goto(f"{page.server.url}/proxy/5000/")
    ask_example(page)
    assert page.inner_text("#headline")


def test_a_page_works_in_the_frame_of_another_origin(open_page, task):
    outside = Flask(__name__)
    with serve(build_app(task), port=0, block=False) as inner:
        address = inner.url.replace("127.0.0.1", "localhost")  # another site, as in a notebook
        outside.add_url_rule("/", view_func=lambda: f'<iframe src="{address}" width="900" height="700"></iframe>')
        outside.add_url_rule("/favicon.ico", "icon", view_func=lambda: "")
        page = open_page(outside)
        frame = page.frame_locator("iframe")
        frame.locator(".chip").first.click()
        frame.locator("#result").wait_for()
        frame.locator("[data-copy=curl]").click()
        frame.locator("#copy-state:has-text('복사')").wait_for()
        assert frame.locator("#snippet").input_value().startswith(f"curl '{address}/api'")
        assert page.errors == []


def test_every_control_is_reached_with_tab_alone_in_the_order_seen(open_page, task):
    page = open_page(build_app(task))
    ask_example(page)
    seen = page.eval_on_selector_all(
        "textarea, button, select, input, summary, [tabindex='0']",
        "all => all.filter((one) => one.checkVisibility()).map((one) => one.id || one.textContent.trim())",
    )
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.focus("[data-field] >> nth=0")
    reached = []
    for _ in seen:
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        page.keyboard.press("Tab")
    assert reached == seen
