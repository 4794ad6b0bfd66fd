"""Settings read apart: the same as `load` gives, and what reads them is no part of a node."""

import json
import subprocess
import sys

import pytest

SERVICES = ("relay", "storage", "discovery")
HEAVY = ("pydantic", "pydantic_settings", "cryptography.x509")


def python(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("service", SERVICES)
def test_node_imports_neither_pydantic_nor_x509(service):
    code = f"import sys, json, essaim_{service}.__main__; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = python(code)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_told_has_each_field_and_property_that_load_gives():
    code = (
        "import sys; from essaim.runtime.told import told;"
        "told = vars(told('essaim_storage.settings:StorageSettings'));"
        "before = 'pydantic' in sys.modules; from essaim.runtime.settings import facts_of, load;"
        "from essaim_storage.settings import StorageSettings; same = told == facts_of(load(StorageSettings));"
        "import json; print(json.dumps([before, same, told['pace_ms'], told['links'].client_links, len(told)]))"
    )
    done = python(code, "--data-dir", "/nowhere", "--pace-ms", "7", "--concurrent-calls", "80")
    before, same, pace_ms, client_links, count = json.loads(done.stdout)
    assert (before, same, pace_ms, client_links) == (False, True, 7, 30) and count > 30


@pytest.mark.parametrize(("arguments", "code"), [(["--pace-ms", "99"], 2), (["--help"], 0), ([], 2)])
def test_process_ends_as_load_ends_it(arguments, code):
    apart = python("from essaim.runtime.told import told; told('essaim_relay.settings:RelaySettings')", *arguments)
    here = python(
        "from essaim.runtime.settings import load\nfrom essaim_relay.settings import RelaySettings as It\nload(It)",
        *arguments,
    )
    assert (apart.returncode, apart.stdout, apart.stderr) == (code, here.stdout, here.stderr)


def test_error_of_work_apart_is_raised_here():
    code = (
        "from essaim.runtime.apart import apart\n"
        "from essaim.runtime.refusal import StartError\n"
        "def work():\n"
        "    raise StartError('it does not start.')\n"
        "try:\n"
        "    apart(work)\n"
        "except StartError as error:\n"
        "    print(error, apart(lambda: 6 * 7))\n"
    )
    done = python(code)
    assert (done.stdout, done.stderr) == ("it does not start. 42\n", "")
