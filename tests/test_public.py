import subprocess
import sys

import pytest

import proxyset


def test_public_names_are_sorted_and_there():
    assert proxyset.__all__ == sorted(proxyset.__all__)
    for name in proxyset.__all__:
        assert getattr(proxyset, name).__doc__, name


def test_importing_the_client_brings_no_heavy_library_and_no_cloud():
    code = (
        "import sys, proxyset; proxyset.answer\n"
        "heavy = {'torch', 'sklearn', 'skimage', 'onnxruntime', 'ray', 'fastapi', 'opendp', 'dp_accounting', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)), any(m.startswith('proxyset.cloud') for m in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[] False"


@pytest.mark.parametrize("module", ["training", "compression"])
def test_without_torch_the_jobs_name_the_extra(module: str) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from proxyset.errors import MissingExtra\n"
        f"try: import proxyset.jobs.{module}\n"
        "except MissingExtra as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "proxyset[train]" in said
