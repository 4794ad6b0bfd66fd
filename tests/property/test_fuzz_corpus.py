"""What the fuzzer thought of is replayed here, without it: every parser takes its inputs or refuses them by name."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from essaim.network import raw
from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import MalformedError
from fuzzed import corpus, report
from fuzzed.__main__ import main
from fuzzed.parser import TAKEN, Parser
from fuzzed.report import Row
from fuzzed.table import every

PARSERS = every()
FUZZ = Path(corpus.__file__).parents[1]


@pytest.mark.parametrize("name", PARSERS)
def test_committed_inputs_are_taken_or_refused_by_name(name):
    found = corpus.inputs(corpus.COMMITTED / name)
    assert found, "a parser without a corpus: `python -m fuzzed keep` makes one"
    for data in found:
        PARSERS[name].judge(data)


@pytest.mark.parametrize("name", PARSERS)
def test_some_committed_input_is_taken(name):
    """Else nothing behind the first check would be replayed."""
    outcomes = {PARSERS[name].judge(data) for data in corpus.inputs(corpus.COMMITTED / name)}
    assert TAKEN in outcomes or name in {"e2e.initial", "e2e.header"}  # which nobody can make genuine


def test_committed_inputs_are_few_and_of_known_parsers():
    folders = {path.name for path in corpus.COMMITTED.iterdir()}
    assert folders == set(PARSERS)
    assert sum(path.stat().st_size for path in corpus.COMMITTED.rglob("*") if path.is_file()) < corpus.MOST_BYTES


def taking(raised: Exception) -> Parser:
    def take(data: bytes) -> object:
        raise raised

    return Parser("test.parser", take, (MalformedError,), lambda: [b""])


def test_declared_refusal_is_an_outcome():
    assert taking(MalformedError("cut")).judge(b"") == "MALFORMED"


@pytest.mark.parametrize("raised", [ValueError("x"), ProtocolError("no reason of its own"), RecursionError()])
def test_anything_else_is_a_finding(raised):
    with pytest.raises(type(raised)):
        taking(raised).judge(b"")


def test_fewest_keeps_the_smallest_inputs_that_reach_as_much():
    short, long, again = (raw.encode([bytes(size)]) for size in (1, 200, 201))
    kept = corpus.fewest(PARSERS["link.raw"], [again, long, short, b"x", b"no field", b""])
    assert kept[:3] == [b"", b"x", short] and long in kept, "a length of two bytes is another way"
    assert b"no field" not in kept and again not in kept


def test_without_atheris_one_sentence_says_so():
    program = "import sys; sys.modules['atheris'] = None; from fuzzed.__main__ import main; sys.exit(main(['run']))"
    paths = ":".join((str(FUZZ), str(FUZZ.parent / "simulation")))
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("atheris is not installed")


def test_parsers_may_be_named_behind_options(capsys):
    """As `make fuzz ARGS="onion.cell --jobs 1"` has them."""
    assert main(["list", "--executions", "9", "onion.cell", "--jobs", "1", "e2e.header"]) == 0
    assert capsys.readouterr().out == "onion.cell\ne2e.header\n"


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "KEPT", tmp_path / "outcomes.jsonl")
    monkeypatch.setattr(report, "REPORTS", tmp_path)
    return Row("link.raw", 1_000_000, 30.0, "3 to 11", 7, "abc1234")


def test_report_has_the_longest_run_of_each_parser(kept):
    other = replace(kept, name="view.diff", executions=10)
    for row in (kept, replace(kept, executions=5, seconds=1.0), other):
        report.keep(row)
    assert report.rows() == {"link.raw": kept, "view.diff": other}
    page = report.written(1_000_000).read_text()
    assert "**1 of 2 parsers had 1,000,000 executions" in page and "| link.raw | 1,000,000 | 30 s |" in page
    assert "2 parsers, 1,000,010 executions in 60 s; 0 findings." in page


def test_finding_stays_in_the_report_until_a_run_as_long_is_without_it(kept):
    found = replace(kept, executions=900, finding="crash-1")
    for row in (kept, found, replace(kept, executions=899)):
        report.keep(row)
    assert report.rows() == {"link.raw": found}
    report.keep(replace(kept, executions=900))
    assert report.rows() == {"link.raw": replace(kept, executions=900)}
