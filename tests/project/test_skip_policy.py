"""A skip that nobody agreed to fails in CI, and only there."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

CONFTEST = pathlib.Path(__file__).parents[1] / "conftest.py"
SKIPPING_TEST = 'import pytest\n\ndef test_it():\n    pytest.skip("no {word} here")\n'
SKIPPING_MODULE = 'import pytest\n\npytest.skip("no {word} here", allow_module_level=True)\n'
EXPECTED_FAILURE = 'import pytest\n\n@pytest.mark.xfail(reason="later")\ndef test_it():\n    raise ValueError\n'


def run(folder: pathlib.Path, *, test: str, listed: str, ci: str) -> int:
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "skips.txt").write_text(listed, encoding="utf-8")
    (folder / "test_it.py").write_text(test, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    environment = {**os.environ, "CI": ci, "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    "test,listed,ci,code",
    [
        pytest.param(SKIPPING_TEST, "", "true", 1, id="test, not listed"),
        pytest.param(SKIPPING_TEST, "no cluster here", "true", 0, id="test, listed"),
        pytest.param(SKIPPING_TEST, "no * here  # any", "true", 0, id="test, listed with a wildcard"),
        pytest.param(SKIPPING_TEST, "# no cluster here", "true", 1, id="test, in a comment only"),
        pytest.param(SKIPPING_TEST, "", "", 0, id="test, at a desk"),
        pytest.param(SKIPPING_MODULE, "", "true", 2, id="module, not listed"),
        pytest.param(SKIPPING_MODULE, "no cluster here", "true", 5, id="module, listed"),
        pytest.param(EXPECTED_FAILURE, "", "true", 0, id="an expected failure is no skip"),
    ],
)
def test_a_skip_in_ci_needs_a_listed_reason(tmp_path: pathlib.Path, test: str, listed: str, ci: str, code: int) -> None:
    assert run(tmp_path, test=test.replace("{word}", "cluster"), listed=listed, ci=ci) == code
