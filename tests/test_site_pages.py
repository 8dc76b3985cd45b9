"""The site's files: what is in them without a browser."""

from __future__ import annotations

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from symflops.analysis.parts import by_component
from symflops.atlas import entries
from symflops.atlas.answer import answer
from symflops.cost import METRICS
from symflops.site.build import real_configs

pytestmark = [pytest.mark.xdist_group("site"), pytest.mark.usefixtures("atlas")]
VOID = {"meta", "link", "br", "img", "input", "wbr", "hr"}


class Read(HTMLParser):
    """A page as its links, its text, the ids in it, and whether all that is opened is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.feed(path.read_text("utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.words.append(" ")
        found = dict(attrs)
        self.links += [found["href"]] if tag == "a" and found.get("href") else []  # type: ignore[list-item] # not None
        self.ids += [found["id"]] if found.get("id") else []  # type: ignore[list-item] # not None
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += [] if self.open and self.open[-1] == "style" else [data]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def test_every_type_has_a_page_that_needs_no_script(served_site: tuple[str, Path]) -> None:
    folder = served_site[1] / "architectures"
    index = Read(folder / "index.html")
    assert "script" not in index.tags
    for name in entries.types():
        assert f"{name}/" in index.links
        page = Read(folder / name / "index.html")
        assert "script" not in page.tags
        assert len(page.ids) == len(set(page.ids))
        entry = entries.entry(name)
        for class_name in entry.models:
            assert class_name in page.text
        for metric in METRICS:
            assert metric in page.text
        assert entry.provenance["date"] in page.text
        for link in page.links:
            target = (folder / name / link.partition("#")[0]).resolve()
            assert (target / "index.html").is_file() or target == served_site[1].resolve()  # the documentation


def test_a_page_says_what_components_cost_and_what_real_models_have(served_site: tuple[str, Path]) -> None:
    page = Read(served_site[1] / "architectures" / "llama" / "index.html")
    model = answer({"model_type": "llama"}, "llama")
    for term in by_component(model, symbolic=True):
        assert term.name in page.text
    for name, config in real_configs().items():
        if config["model_type"] == "llama":
            count = answer(config, name).total().at(batch_size=1, seq_len=1).parameters
            assert f"{name} {count:,}" in page.text
    assert "num_attention_heads % num_key_value_heads == 0" in page.text
    assert "tie_word_embeddings == true" in page.text  # a choice


def test_each_type_is_at_most_30_kb_and_the_same_when_made_twice(served_site: tuple[str, Path], tmp_path: Path) -> None:
    from symflops.site.build import packed
    from symflops.site.compiled import entry_text

    for name in entries.types():
        content = (served_site[1] / "calculator" / "types" / f"{name}.json.gz").read_bytes()
        assert len(content) <= 30_000
        assert content == packed(entry_text(entries.entry(name)))
        said, steps = gzip.decompress(content).decode().splitlines()
        assert json.loads(said)["type"] == name
        assert {"texts", "sides", "steps"} <= json.loads(steps).keys()


def test_the_frame_has_no_type_in_it(served_site: tuple[str, Path]) -> None:
    text = (served_site[1] / "calculator" / "index.html").read_text("utf-8")
    assert "{{" not in text
    assert len(gzip.compress(text.encode())) < 80_000
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert "default-src 'none'; connect-src 'self'" in policy[1]
    assert "LlamaRotaryEmbedding" not in text


def test_the_command(refuse: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "atlas").mkdir()
    copyfile(entries.folder() / f"gpt2{entries.ENDING}", tmp_path / "atlas" / f"gpt2{entries.ENDING}")
    monkeypatch.setenv(entries.ATLAS, str(tmp_path / "atlas"))
    status, out, err = run("site", "-o", str(tmp_path / "a" / "b"))
    assert (status, out) == (0, "")
    assert f"wrote {tmp_path / 'a' / 'b'}: " in err
    assert (tmp_path / "a" / "b" / "calculator" / "index.html").is_file()
    (tmp_path / "file").write_text("")
    assert "a file" in refuse("site", "-o", str(tmp_path / "file"))
    assert "no name of a folder" in refuse("site", "-o", "")
    monkeypatch.setenv(entries.ATLAS, str(tmp_path / "none"))
    assert "the atlas has no types" in refuse("site", "-o", str(tmp_path / "c"))
