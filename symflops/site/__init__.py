"""The site: a calculator in which configs are answered in the page, and a page for every architecture of the atlas.

All of it is static: closed forms as the steps of programs (`compiled`), which the page's scripts put together and run
in exact numbers, and HTML that needs no script (`architecture`).
"""
