"""What a visitor of the Space does, for the tests that drive a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PATIENCE_MS = 25_000  # the machine may have other work
BETWEEN_CLICKS_MS = 150  # ten clicks then take more than the browser's second
SETTLED = """() => document.getAnimations().every(
  (one) => one.playState !== "running" || one.effect.getTiming().iterations === Infinity)"""


class Visitor:
    """A tab, with everything that went wrong in it.

    Attributes:
        tab: Playwright's page.
        errors: what the page's scripts complained of.
        outside: addresses of other machines that the page asked for.
    """

    def __init__(self, browser: Any, address: str, context: Any = None, **options: Any) -> None:
        self.context = context or browser.new_context(accept_downloads=True, **options)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(PATIENCE_MS)
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        here = (address, "data:", "blob:")
        self.tab.on("request", lambda sent: None if sent.url.startswith(here) else self.outside.append(sent.url))
        # Kept for the whole visit: switched on with the key press, the browser may open its own window before it.
        self.tab.on("filechooser", lambda chooser: None)
        self.address = address
        self.visit()

    def beside(self) -> Visitor:
        """A second tab of the same browser, which shares its storage; closed with this one."""
        return Visitor(None, self.address, self.context)

    def visit(self) -> None:
        """Open or reload the page."""
        self.tab.goto(self.address)
        self.tab.wait_for_selector("#describe")
        self.tab.wait_for_function("window.distinctad !== undefined")
        self.tab.wait_for_timeout(500)  # the framework still wires its buttons

    def reach(self, what: str, back: bool = False) -> None:
        """Press Tab until the focus is on what a selector says: a person without a mouse has no other way."""
        for _ in range(200):
            self.tab.keyboard.press("Shift+Tab" if back else "Tab")
            if self.tab.evaluate("(what) => document.activeElement.matches(what)", what):
                return
        raise AssertionError(f"Tab never reaches {what}")

    def upload(self, label: str, *paths: Path) -> None:
        """Choose files for an upload without the mouse."""
        self.reach(f"button[aria-label^='{label}']")
        with self.tab.expect_file_chooser() as chooser:
            self.tab.keyboard.press("Enter")
        chooser.value.set_files(list(paths))
        self.tab.wait_for_selector(f".block:has(label:has-text('{label}')) .file-preview")

    def script(self) -> None:
        """Wait until there is a script to edit."""
        self.tab.wait_for_selector("#dad:not([hidden]) #dad-lines textarea")

    def kept(self) -> list[dict[str, Any]]:
        """The edits that the browser keeps of this tab's script."""
        return list(self.tab.evaluate("distinctadKept.edits(sessionStorage.getItem('distinctad-here'))"))

    def texts(self) -> list[str]:
        """The lines as they stand in the page."""
        return self.tab.eval_on_selector_all("#dad-lines textarea", "all => all.map((one) => one.value)")

    def violations(self) -> list[str]:
        """What axe finds, no rule switched off: rule and element; what fades in is looked at when it is there."""
        from axe_core_python.sync_playwright import Axe

        self.tab.wait_for_function(SETTLED)
        found = Axe().run(self.tab)["violations"]
        return [f"{one['id']} ({one['impact']}): {node['html'][:160]}" for one in found for node in one["nodes"]]

    def download(self, folder: Path) -> dict[str, Path]:
        """Fetch every file of the list of exports, each by a click on its own link, no faster than a person clicks.

        Chromium drops the eleventh download that a page begins within a second, without a word, on any page.
        """
        files = {}
        for link in self.tab.query_selector_all("#made a[download]"):
            with self.tab.expect_download() as coming:
                link.click()
            name = coming.value.suggested_filename
            coming.value.save_as(folder / name)
            files[name] = folder / name
            self.tab.wait_for_timeout(BETWEEN_CLICKS_MS)
        return files

    def close(self) -> None:
        """End the visit."""
        self.context.close()
